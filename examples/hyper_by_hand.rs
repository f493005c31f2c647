//! The layer around a bare service of hyper. There is no router to ask, so a function of yours names the routes.
//!
//! ```sh
//! cargo run --release -p offload-examples --example hyper_by_hand -- 127.0.0.1:8080
//! curl -i localhost:8080/primes/1000000
//! curl -i localhost:8080/
//! ```

use std::{convert::Infallible, env, error::Error};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::service_fn;
use tower_layer::Layer;
use tower_offload::{Head, Offload};

/// As many names as there are routes: costs are kept by name, and clients may ask for any path.
fn route<'a>(head: Head<'a>) -> Option<&'a str> {
    match head.uri.path() {
        "/" => Some("/"),
        path if path.starts_with("/primes/") => Some("/primes/{below}"),
        _ => None,
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let below = path.strip_prefix("/primes/").map(str::parse);
    let (status, text) = match below {
        Some(Ok(below)) => (StatusCode::OK, count_primes(below).to_string()),
        None if path == "/" => (StatusCode::OK, "hello".to_owned()),
        _ => (StatusCode::NOT_FOUND, "not found".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
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

    let offload = Offload::builder().server_timing(true).build()?;
    // One for all connections: each layer learns for itself.
    let service = offload.layer_by(route).layer(service_fn(answer));
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}
