//! The least that an axum app needs: one layer, the last one, so that whole requests move. Handlers stay as they are.
//!
//! ```sh
//! cargo run --release -p offload-examples --example axum_minimal -- 127.0.0.1:8080
//! curl localhost:8080/primes/1000000 & curl localhost:8080/
//! ```

use std::{env, error::Error};

use axum::{Router, extract::Path, routing::get};
use tokio::net::TcpListener;
use tower_offload::Offload;

async fn index() -> &'static str {
    "hello"
}

async fn primes(Path(below): Path<u32>) -> String {
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
        .route("/primes/{below}", get(primes))
        .layer(offload.layer());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
