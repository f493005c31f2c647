//! The least that an actix-web app needs: the factory goes through `offload.app`, and handlers stay as they are.
//!
//! ```sh
//! cargo run --release -p offload-examples --example actix_minimal -- 127.0.0.1:8080
//! curl localhost:8080/primes/1000000 & curl localhost:8080/
//! ```

use std::{env, error::Error};

use actix_offload::Offload;
use actix_web::{App, HttpServer, web};

async fn index() -> &'static str {
    "hello"
}

async fn primes(below: web::Path<u32>) -> String {
    count_primes(*below).to_string()
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

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let offload = Offload::new()?;
    let app = || {
        App::new()
            .route("/", web::get().to(index))
            .route("/primes/{below}", web::get().to(primes))
    };
    let server = HttpServer::new(offload.app(app))
        .workers(offload.workers())
        .bind(address)?;
    for address in server.addrs() {
        println!("listening on {address}");
    }
    server.run().await?;
    Ok(())
}
