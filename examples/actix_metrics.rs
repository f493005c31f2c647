//! What the plugin measures of routes, lanes and event loops, for Prometheus.
//!
//! ```sh
//! cargo run --release -p offload-examples --example actix_metrics -- 127.0.0.1:8080
//! curl localhost:8080/primes/1000000
//! curl localhost:8080/metrics | grep offload_
//! ```

use std::{env, error::Error};

use actix_offload::{BOUNDS, Offload, Placement, Publisher};
use actix_web::{App, HttpServer, web};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

async fn index() -> &'static str {
    "hello"
}

async fn primes(below: web::Path<u32>) -> String {
    count_primes(*below).to_string()
}

/// The plugin counts in memory of its own; this hands over what has come together, and writes it down.
async fn metrics(publisher: web::Data<Publisher>, recorder: web::Data<PrometheusHandle>) -> String {
    publisher.publish();
    recorder.render()
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

    // Before anything is published, or what is new in histograms is lost. The classes are those in which the plugin counts.
    let recorder = PrometheusBuilder::new()
        .set_buckets(&BOUNDS)?
        .install_recorder()?;
    let offload = Offload::builder()
        // With many routes there is much to write, which is no work for an event loop.
        .pin("GET", "/metrics", Placement::Lane)
        .build()?;
    // Made outside of the factory: one publisher serves one recorder.
    let recorder = web::Data::new(recorder);
    let publisher = web::Data::new(offload.metrics());
    let app = move || {
        App::new()
            .app_data(recorder.clone())
            .app_data(publisher.clone())
            .route("/", web::get().to(index))
            .route("/primes/{below}", web::get().to(primes))
            .route("/metrics", web::get().to(metrics))
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
