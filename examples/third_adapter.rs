//! An adapter of one's own, here for plain hyper, made of `offload-http` alone: as much of it as whole bodies need.
//!
//! `tower-offload` does all of this for hyper, and streams bodies and moves what has begun besides. This is for a framework whose
//! middleware is of a type of its own; ARCHITECTURE.md has the steps.
//!
//! ```sh
//! cargo run --release -p offload-examples --example third_adapter -- 127.0.0.1:8080
//! curl -i localhost:8080/primes/1000000
//! curl -i localhost:8080/
//! ```

use std::{
    convert::Infallible, env, error::Error, future::poll_fn, pin::Pin, sync::Arc, task::Poll,
    thread,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use offload_core::cost::BodySize;
use offload_http::{
    Answer, App, Arrival, End, Placed, Plugin, RouteName, Settings, Stub, Ticket, Visit,
    panics::{self, PanicPayload},
};
use tokio::{net::TcpListener, runtime::Handle};

type Response = hyper::Response<Full<Bytes>>;
type Handler = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Where the request runs is asked when all is known of it.
async fn serve(app: Arc<App>, request: Request<Incoming>) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, 1 << 20).collect().await else {
        return Ok(text(400, "a body of at most 1 MiB, please"));
    };
    let request = Request::from_parts(head, body.to_bytes());
    let placed = app.arrive(&Arrival {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query(),
        route: route(request.uri().path()),
        size: BodySize::Known(request.body().len() as u64),
        deadline: None,
    });
    Ok(match placed {
        Placed::Here(visit) => here(visit, Box::pin(answer(request))).await,
        Placed::Lane(ticket) => on_a_lane(ticket, Box::pin(answer(request))).await,
    })
}

/// Measured, poll by poll. Dropped half-way, because its client has left, the visit counts what was heavy.
async fn here(mut visit: Visit, mut handler: Handler) -> Response {
    match poll_fn(|cx| caught(visit.poll(|| handler.as_mut().poll(cx)))).await {
        Ok(response) => {
            visit.finish(end_of(&response));
            response
        }
        Err(panic) => {
            visit.finish(End::Panicked);
            own(&panics::answer(
                visit.route().map(|route| &**route),
                &*panic,
            ))
        }
    }
}

/// Submitted, waited for, and measured there. To drop the job takes it out of the queue, or ends it at its next await.
async fn on_a_lane(ticket: Ticket, mut handler: Handler) -> Response {
    let (lanes, terms, stub) = (
        ticket.lanes().clone(),
        ticket.terms().clone(),
        ticket.stub(),
    );
    let mut client = Client(Some(stub.clone()));
    let runtime = Handle::current();
    let job = lanes.submit_future(&terms, async move {
        let mut visit = ticket.begin();
        let ran = poll_fn(|cx| {
            // Handlers find the runtime that serves them.
            let _entered = runtime.enter();
            caught(visit.poll(|| handler.as_mut().poll(cx)))
        });
        let ran = ran.await;
        visit.finish(ran.as_ref().map_or(End::Panicked, end_of));
        let route = visit.route().map(|route| &**route);
        ran.unwrap_or_else(|panic| own(&panics::answer(route, &*panic)))
    });
    let ended = job.await;
    client.0 = None;
    ended.unwrap_or_else(|error| own(&stub.ended(error)))
}

fn caught<T>(polled: Result<Poll<T>, PanicPayload>) -> Poll<Result<T, PanicPayload>> {
    match polled {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}

/// Counts it if its client leaves before it is answered.
struct Client(Option<Stub>);

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(stub) = &self.0 {
            stub.left();
        }
    }
}

/// What the plugin answers itself: refusals are 503, panics 500.
fn own(answer: &Answer) -> Response {
    let body = answer
        .body()
        .map_or_else(String::new, |json| json.to_string());
    let mut response = text(answer.status(), body);
    if let Some(seconds) = answer.retry_after() {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, seconds.into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

fn end_of(response: &Response) -> End {
    match response.status().as_u16() {
        400.. => End::Failed,
        _ => End::Served,
    }
}

fn text(status: u16, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of HTTP");
    response
}

// So much for the adapter; what follows is an app.

/// As many names as there are routes: costs are kept by name, and clients may ask for any path.
fn route(path: &str) -> RouteName<'_> {
    match path {
        "/" | "/panic" => RouteName::Matched(path),
        path if path.starts_with("/primes/") => RouteName::Matched("/primes/{below}"),
        _ => RouteName::Unmatched,
    }
}

async fn answer(request: Request<Bytes>) -> Response {
    let path = request.uri().path();
    match path.strip_prefix("/primes/").map(str::parse) {
        Some(Ok(below)) => {
            let thread = thread::current();
            let thread = thread.name().unwrap_or("a thread");
            text(200, format!("{} on {thread}", count_primes(below)))
        }
        None if path == "/" => text(200, "hello"),
        None if path == "/panic" => panic!("as it was asked to"),
        _ => text(404, "not found"),
    }
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let plugin = Plugin::start(Settings::default())?;
    // One for all connections: each learns for itself.
    let app = plugin.app();
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let app = Arc::clone(&app);
        let service = service_fn(move |request| serve(Arc::clone(&app), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}
