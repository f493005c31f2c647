//! What you know of routes and say, and what the plugin learns of the others and keeps: pins, shares of the lanes, the profile file.
//!
//! What was learned is kept in `learned.json` in the current directory. End it with ctrl-c, start it again, and it knows.
//!
//! ```sh
//! cargo run --release -p offload-examples --example pins_and_profile -- 127.0.0.1:8080
//! curl localhost:8080/health                       # pinned to the event loop
//! curl localhost:8080/primes/1000000               # pinned to the lanes
//! curl localhost:8080/                             # learned
//! curl localhost:8080/routes                       # where each runs, and why
//! ```

use std::{env, error::Error, time::Duration};

use actix_offload::{Offload, Placement, Rank, Serving, Weight};
use actix_web::{App, HttpResponse, HttpServer, web};

/// How long requests that are under way may go on after the signal to end.
const GRACE: Duration = Duration::from_secs(10);

/// The others have 100 each.
const QUARTER: Weight = Weight::new(25).expect("1 to 1,000");

async fn index() -> &'static str {
    "hello"
}

async fn health() -> &'static str {
    "alive"
}

async fn primes(below: web::Path<u32>) -> String {
    count_primes(*below).to_string()
}

async fn routes(offload: web::Data<Offload>) -> HttpResponse {
    HttpResponse::Ok().json(offload.report().routes)
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

    let offload = Offload::builder()
        // It has to be answered also when the lanes are full. What runs here can freeze its event loop.
        .pin("GET", "/health", Placement::Loop)
        // Known to be heavy: not even a cheap one runs on an event loop.
        .pin("GET", "/primes/{below}", Placement::Lane)
        // Before all others on the lanes, because somebody waits in front of it.
        .serve("GET", "/login/{below}", Serving::new().rank(Rank::High))
        // A quarter of what each other route gets while there is not enough for all, and at most five seconds in the queue.
        .serve(
            "GET",
            "/report/{below}",
            Serving::new()
                .weight(QUARTER)
                .patience(Duration::from_secs(5)),
        )
        // Read now if it is there, and written while it runs.
        .profile("learned.json")
        .build()?;
    let shared = web::Data::new(offload.clone());
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .route("/", web::get().to(index))
            .route("/health", web::get().to(health))
            .route("/primes/{below}", web::get().to(primes))
            .route("/login/{below}", web::get().to(primes))
            .route("/report/{below}", web::get().to(primes))
            .route("/routes", web::get().to(routes))
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
    offload.run_until_signal(server.run(), GRACE).await?;
    // The last it has learned.
    offload.save_profile()?;
    Ok(())
}
