//! A gRPC service of tonic under the layer. What computes is on the lanes; refusals, panics and deadlines are statuses.
//!
//! It is its own client as well: `ask ADDRESS BELOW [CALLS [MILLISECONDS]]` makes so many calls at once, with so much time for each.
//!
//! ```sh
//! cargo run --release -p offload-examples --example tonic -- 127.0.0.1:8080
//! cargo run --release -p offload-examples --example tonic -- ask 127.0.0.1:8080 1000000       # 78498
//! cargo run --release -p offload-examples --example tonic -- ask 127.0.0.1:8080 1000000 99    # most are refused: ResourceExhausted
//! cargo run --release -p offload-examples --example tonic -- ask 127.0.0.1:8080 1000000 9 50  # some do not come in time
//! ```

use std::{
    convert::Infallible,
    env,
    error::Error,
    task::{Context, Poll},
    time::Duration,
};

use tonic::{
    Request, Response, Status,
    body::Body,
    client,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, NamedService},
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::service_fn;
use tower_offload::Offload;

const COUNT: &str = "/examples.Primes/Count";

// `tonic-prost-build` writes the messages and the service from a .proto file. By hand they need no compiler of protocols.

#[derive(Clone, PartialEq, prost::Message)]
struct Limit {
    #[prost(uint32, tag = "1")]
    below: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Count {
    #[prost(uint64, tag = "1")]
    primes: u64,
}

#[derive(Clone)]
struct Primes;

impl NamedService for Primes {
    const NAME: &'static str = "examples.Primes";
}

impl Service<http::Request<Body>> for Primes {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != COUNT {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(grpc.unary(service_fn(count), request).await)
        })
    }
}

async fn count(request: Request<Limit>) -> Result<Response<Count>, Status> {
    let primes = count_primes(request.into_inner().below) as u64;
    Ok(Response::new(Count { primes }))
}

/// Computes for as long as `below` is large, and knows nothing of event loops.
fn count_primes(below: u32) -> usize {
    let is_prime = |n: &u32| {
        (2..)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (2..below.min(1_000_000)).filter(is_prime).count()
}

/// Makes as many calls at once as it is told to, and prints what each is answered by.
async fn ask(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let number = |at: usize| arguments.get(at).map(|number| number.parse::<u32>());
    let address = arguments.first().ok_or("no address")?;
    let below = number(1).ok_or("no number")??;
    let calls = number(2).transpose()?.unwrap_or(1);
    let deadline = number(3).transpose()?;

    let server = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = server.connect().await?;
    let call = |_| {
        let mut grpc = client::Grpc::new(channel.clone());
        let mut request = Request::new(Limit { below });
        if let Some(millis) = deadline {
            // The layer reads it, too: what could not be done in time never begins.
            request.set_timeout(Duration::from_millis(millis.into()));
        }
        tokio::spawn(async move {
            let ready = grpc.ready().await;
            ready.map_err(|error| Status::unavailable(error.to_string()))?;
            let path = http::uri::PathAndQuery::from_static(COUNT);
            let codec = ProstCodec::<Limit, Count>::default();
            grpc.unary(request, path, codec).await
        })
    };
    for answer in (0..calls).map(call).collect::<Vec<_>>() {
        match answer.await? {
            Ok(answer) => println!("{}", answer.into_inner().primes),
            Err(status) => println!("{:?}: {}", status.code(), status.message()),
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some(("ask", more)) = arguments.split_first().map(|(word, more)| (&**word, more)) {
        return ask(more).await;
    }
    let address = arguments.first().map_or("127.0.0.1:8080", String::as_str);

    let offload = Offload::builder()
        // What finds this many waiting is refused at once.
        .lanes(|lanes| lanes.queue_bound(8))
        .build()?;
    let incoming = TcpIncoming::bind(address.parse()?)?;
    println!("listening on {}", incoming.local_addr()?);
    Server::builder()
        .layer(offload.grpc_layer())
        .add_service(Primes)
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}
