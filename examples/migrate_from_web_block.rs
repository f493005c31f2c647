//! From `web::block` to the plugin: the handler of `/before` and what is left of it in `/after`.
//!
//! `web::block` goes on working, so routes can be changed one by one.
//!
//! ```sh
//! cargo run --release -p offload-examples --example migrate_from_web_block -- 127.0.0.1:8080
//! curl localhost:8080/before/1000000
//! curl localhost:8080/after/1000000
//! ```

use std::{env, error::Error};

use actix_offload::Offload;
use actix_web::{App, HttpServer, error::BlockingError, web};

async fn index() -> &'static str {
    "hello"
}

/// What computes had to be found by hand, cut out, and made `Send + 'static`. What comes before and after it, such as a
/// large JSON body, is still on the event loop, and nothing bounds the queue.
async fn before(below: web::Path<u32>) -> Result<String, BlockingError> {
    let below = *below;
    let count = web::block(move || count_primes(below)).await?;
    Ok(count.to_string())
}

/// The whole request moves once it is known to be heavy, so the handler just computes.
async fn after(below: web::Path<u32>) -> String {
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
            .route("/before/{below}", web::get().to(before))
            .route("/after/{below}", web::get().to(after))
    };
    // This was `HttpServer::new(app)`.
    let server = HttpServer::new(offload.app(app))
        .workers(offload.workers())
        .bind(address)?;
    for address in server.addrs() {
        println!("listening on {address}");
    }
    server.run().await?;
    Ok(())
}
