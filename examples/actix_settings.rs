//! What can be said to the plugin for actix-web before it starts, and an end that loses no request.
//!
//! What was learned is kept in `offload.json` in the current directory. End it with ctrl-c.
//!
//! ```sh
//! cargo run --release -p offload-examples --example actix_settings -- 127.0.0.1:8080
//! curl -i localhost:8080/primes/1000000                                # Server-Timing says: on a lane
//! curl -i localhost:8080/primes/1000000 -H 'x-request-timeout-ms: 100'  # once its cost is known: refused, if it can't be in time
//! curl -i localhost:8080/                                              # on an event loop
//! ```

use std::{env, error::Error, time::Duration};

use actix_offload::{Offload, Placement, StallWatch};
use actix_web::{App, HttpServer, web};

/// How long requests that are under way may go on after the signal to end.
const GRACE: Duration = Duration::from_secs(10);

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

    let watch = StallWatch::builder()
        .threshold(Duration::from_millis(50))
        .on_stall(|stall| eprintln!("{stall}"));
    let offload = Offload::builder()
        // What costs more than this goes to a lane.
        .budget(Duration::from_micros(200))
        // Health checks have to be answered also when the lanes are full.
        .pin("GET", "/", Placement::Loop)
        // It is known to be heavy, so nothing has to be learned.
        .pin("GET", "/primes/{below}", Placement::Lane)
        // The next start knows what this one has learned.
        .profile("offload.json")
        .deadline_header("x-request-timeout-ms")
        .server_timing(true)
        .stall_watch(watch)
        .build()?;
    let app = || {
        App::new()
            .route("/", web::get().to(index))
            .route("/primes/{below}", web::get().to(primes))
    };
    let server = HttpServer::new(offload.app(app))
        .workers(offload.workers())
        // The plugin takes the signals, and nobody may cut connections before it is done.
        .disable_signals()
        .shutdown_timeout(GRACE.as_secs())
        .bind(address)?;
    for address in server.addrs() {
        println!("listening on {address}");
    }
    let ended = offload.run_until_signal(server.run(), GRACE).await?;
    offload.save_profile()?;
    println!("ended: {ended:?}");
    Ok(())
}
