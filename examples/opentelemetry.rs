//! Traces of an app whose requests move: the way of each through queue and lane is in the trace of whoever called.
//!
//! Spans are written to standard output here. What an exporter of `opentelemetry-otlp` sends to a collector is the same.
//!
//! ```sh
//! cargo run --release -p offload-examples --example opentelemetry -- 127.0.0.1:8080
//! curl localhost:8080/primes/1000000 -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
//! ```

use std::{env, error::Error, future::ready, io::Write};

use actix_offload::Offload;
use actix_web::{App, HttpServer, http::header::HeaderMap, web};
use opentelemetry::{global, propagation::Extractor, trace::TracerProvider};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::{field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, registry};

async fn index() -> &'static str {
    "hello"
}

async fn primes(below: web::Path<u32>) -> String {
    info_span!("count").in_scope(|| count_primes(*below).to_string())
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

/// The headers in which callers say which trace they are in.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

/// Writes each span as a line: its trace, itself, its parent, its name.
#[derive(Debug)]
struct Lines;

impl SpanExporter for Lines {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let mut out = std::io::stdout().lock();
        for span in batch {
            let (context, parent) = (&span.span_context, span.parent_span_id);
            let (trace, own) = (context.trace_id(), context.span_id());
            // Who does not read it has no use for it.
            let _written = writeln!(out, "trace {trace} span {own} of {parent}: {}", span.name);
        }
        ready(Ok(()))
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    // Spans go to a thread that exports them, so no event loop waits for that.
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(Lines)
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer("primes"));
    let subscriber = registry().with(LevelFilter::INFO).with(layer);
    tracing::subscriber::set_global_default(subscriber)?;
    global::set_text_map_propagator(TraceContextPropagator::new());

    let offload = Offload::builder()
        // Asked for each request that moves: the parent of its `queue` and `run` on the lane, and of what the handler does there.
        .request_span(|head| {
            let span = info_span!(
                "HTTP",
                otel.kind = "server",
                url.path = head.uri.path(),
                http.route = Empty,
                http.response.status_code = Empty,
            );
            let headers = Headers(&head.headers);
            let caller = global::get_text_map_propagator(|known| known.extract(&headers));
            // It fails where the span is disabled, and then there is nothing to set.
            let _set = span.set_parent(caller);
            span
        })
        .build()?;
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
    traces.shutdown()?;
    Ok(())
}
