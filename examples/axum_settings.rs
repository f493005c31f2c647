//! What can be said to the layer for axum before it starts. End it with ctrl-c.
//!
//! ```sh
//! cargo run --release -p offload-examples --example axum_settings -- 127.0.0.1:8080
//! curl -i localhost:8080/primes/1000000                                # Server-Timing says: on a lane
//! curl -i localhost:8080/primes/1000000 -H 'x-request-timeout-ms: 100'  # once its cost is known: refused, if it can't be in time
//! curl -i localhost:8080/                                              # on a worker of tokio's
//! curl localhost:8080/report                                           # what is known of the routes
//! ```

use std::{env, error::Error, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tower_offload::{Offload, Placement, StallWatch};

async fn index() -> &'static str {
    "hello"
}

async fn primes(Path(below): Path<u32>) -> String {
    count_primes(below).to_string()
}

async fn report(State(offload): State<Offload>) -> impl IntoResponse {
    Json(offload.report().routes)
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

    let watch = StallWatch::builder()
        .threshold(Duration::from_millis(50))
        .on_stall(|stall| eprintln!("{stall}"));
    let offload = Offload::builder()
        // What costs more than this goes to a lane.
        .budget(Duration::from_micros(200))
        .lanes(|lanes| lanes.queue_bound(256))
        // Health checks have to be answered also when the lanes are full.
        .pin("GET", "/", Placement::Loop)
        // It is known to be heavy, so nothing has to be learned.
        .pin("GET", "/primes/{below}", Placement::Lane)
        .deadline_header("x-request-timeout-ms")
        .server_timing(true)
        .stall_watch(Some(watch))
        .build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/primes/{below}", get(primes))
        .route("/report", get(report))
        .with_state(offload.clone())
        .layer(offload.layer());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    // Requests under way are answered first, those on lanes too; what cannot be done in time is refused.
    let grace = Duration::from_secs(10);
    let server = axum::serve(listener, app).with_graceful_shutdown(offload.ending());
    let ended = offload.run_until_signal(server, grace).await?;
    println!("{ended:?}");
    Ok(())
}
