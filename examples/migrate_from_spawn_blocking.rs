//! From tokio's `spawn_blocking` to the layer: the handler of `/before` and what is left of it in `/after`.
//!
//! `spawn_blocking` goes on working, so routes can be changed one by one. For calls that wait and do not compute, such as files,
//! it stays the right place.
//!
//! ```sh
//! cargo run --release -p offload-examples --example migrate_from_spawn_blocking -- 127.0.0.1:8080
//! curl localhost:8080/before/1000000
//! curl localhost:8080/after/1000000
//! ```

use std::{env, error::Error};

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use tokio::{net::TcpListener, task::spawn_blocking};
use tower_offload::Offload;

async fn index() -> &'static str {
    "hello"
}

/// What computes had to be found by hand, cut out, and made `Send + 'static`. Up to 512 of these compute at a time, for
/// whatever number of cores, and nothing bounds the queue.
async fn before(Path(below): Path<u32>) -> Result<String, StatusCode> {
    match spawn_blocking(move || count_primes(below)).await {
        Ok(count) => Ok(count.to_string()),
        Err(_panicked) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The whole request moves once it is known to be heavy, so the handler just computes. A panic is a 500 as well.
async fn after(Path(below): Path<u32>) -> String {
    count_primes(below).to_string()
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

    let offload = Offload::new()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/before/{below}", get(before))
        .route("/after/{below}", get(after))
        // This is new.
        .layer(offload.layer());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
