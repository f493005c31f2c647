//! One function that computes on a lane from wherever it is called: `#[offload]` makes it async. A route under the layer that calls it is pinned there too.
//!
//! ```sh
//! cargo run --release -p offload-examples --example offload_attribute -- 127.0.0.1:8080
//! curl localhost:8080/primes/1000000  # the number and the thread that counted
//! curl localhost:8080/unlayered/1000000
//! curl localhost:8080/
//! ```

use std::{env, error::Error, thread};

use axum::{Router, extract::Path, routing::get};
use tokio::net::TcpListener;
use tower_offload::{Offload, offload};

async fn index() -> &'static str {
    "hello"
}

async fn primes(Path(below): Path<u32>) -> String {
    count_primes(below).await
}

#[offload(crate = ::tower_offload)]
fn count_primes(below: u32) -> String {
    let is_prime = |n: &u32| {
        (2..)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    let count = (2..below.min(1_000_000)).filter(is_prime).count();
    let thread = thread::current();
    format!("{count} on {}", thread.name().unwrap_or("a thread"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let offload = Offload::new()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/primes/{below}", get(primes))
        .layer(offload.layer())
        // Added after the layer, which therefore knows nothing of it. The function goes to a lane all the same.
        .route("/unlayered/{below}", get(primes));
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
