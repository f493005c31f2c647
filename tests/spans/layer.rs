//! Under the layer of `tower-offload` the same spans: `queue` and `run` inside of the request's, whoever has made that.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use futures_util::stream;
use offload_tests::{client::Client, connection::Connection};
use tokio::{net::TcpListener, runtime};
use tower_offload::{Mode, Offload, OffloadBuilder};
use tracing::{Instrument, field::Empty, info, info_span};

use crate::{
    gate::{Gate, wait_until},
    telemetry::{self, Trace},
};

fn lanes() -> OffloadBuilder {
    telemetry::install();
    let lanes = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
    lanes.mode(Mode::Lane)
}

/// A server on a runtime of its own.
struct Served {
    addr: SocketAddr,
    runtime: Option<runtime::Runtime>,
}

impl Served {
    fn start(app: Router) -> Self {
        let mut runtime = runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let addr = listener.local_addr().expect("a port");
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            addr,
            runtime: Some(runtime),
        }
    }

    fn get(&self, path: &str) -> u16 {
        let response = Client::new(self.addr).get(path).expect("answers");
        response.status()
    }

    fn ask(&self, path: &str) -> Connection {
        let mut connection = Connection::open(self.addr).expect("connects");
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(head.as_bytes()).expect("sends");
        connection
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn works() -> &'static str {
    info_span!("first").in_scope(|| {});
    async {
        info!("an event");
        tokio::task::yield_now().await;
    }
    .instrument(info_span!("later"))
    .await;
    "done"
}

#[test]
fn queue_and_run_are_inside_of_the_requests_span_and_the_handler_is_inside_of_run() {
    let offload = lanes().build().expect("starts");
    let app = Router::new().route("/layer/{id}", get(works));
    let served = Served::start(app.layer(offload.layer()));
    assert_eq!(served.get("/layer/1"), 200);
    let trace = Trace::to("/layer/1");
    let request = trace.outermost();
    assert_eq!(
        trace.names(),
        ["GET /layer/{id}", "first", "later", "queue", "run"],
        "{trace:?}"
    );
    let (queue, run) = trace.wait_and_run(request);
    for name in ["first", "later"] {
        assert!(trace.is_inside(trace.only(name), run), "{name}: {trace:?}");
    }
    assert_eq!(trace.only("later").events(), 1);
    assert_eq!(request.get("http.request.method"), "GET");
    assert_eq!(request.get("http.route"), "/layer/{id}");
    assert_eq!(request.get("http.response.status_code"), "200");
    assert_eq!(queue.get("outcome"), "begun");
    assert_eq!(run.get("outcome"), "answered");
    assert_eq!(run.get("http.response.status_code"), "200");
    assert!(run.get("thread").starts_with("offload-"), "{run:?}");
}

#[test]
fn a_streamed_body_is_inside_of_run() {
    let offload = lanes().build().expect("starts");
    let chunks = async || {
        let chunks = stream::unfold(0, |made| async move {
            if made == 3 {
                return None;
            }
            tokio::task::yield_now().await;
            info_span!("chunk", made).in_scope(|| {});
            let chunk = Ok::<_, std::convert::Infallible>(Bytes::from_static(b"chunk "));
            Some((chunk, made + 1))
        });
        Body::from_stream(chunks)
    };
    let app = Router::new().route("/layer-streams", get(chunks));
    let served = Served::start(app.layer(offload.layer()));
    assert_eq!(served.get("/layer-streams"), 200);
    let trace = Trace::to("/layer-streams");
    let (_, run) = trace.wait_and_run(trace.outermost());
    let chunks = trace.spans().iter().filter(|span| span.name() == "chunk");
    let parents: Vec<_> = chunks.map(|chunk| chunk.parent()).collect();
    assert_eq!(parents, [run.id(); 3], "{trace:?}");
    assert_eq!(run.get("outcome"), "answered");
}

#[test]
fn a_span_from_outside_of_the_layer_is_the_requests() {
    async fn outer(request: Request, next: Next) -> Response {
        let path = request.uri().path().to_owned();
        next.run(request)
            .instrument(info_span!("outer", url.path = path))
            .await
    }
    let offload = lanes().build().expect("starts");
    let app = Router::new().route("/layer-outer", get(works));
    let app = app.layer(offload.layer()).layer(middleware::from_fn(outer));
    let served = Served::start(app);
    assert_eq!(served.get("/layer-outer"), 200);
    let trace = Trace::to("/layer-outer");
    assert_eq!(trace.outermost().name(), "outer");
    let (_, run) = trace.wait_and_run(trace.outermost());
    assert_eq!(trace.only("first").parent(), run.id(), "{trace:?}");
}

#[test]
fn the_applications_own_span_is_the_requests() {
    let offload = lanes()
        .request_span(|head| {
            let id = head.headers.get("x-id").and_then(|id| id.to_str().ok());
            info_span!(
                "own",
                id,
                url.path = head.uri.path(),
                http.response.status_code = Empty
            )
        })
        .build()
        .expect("starts");
    let app = Router::new().route("/layer-own", get(works));
    let served = Served::start(app.layer(offload.layer()));
    let answer = Client::new(served.addr).ask("GET", "/layer-own", &["X-Id: 7"], b"");
    assert_eq!(answer.expect("answers").status(), 200);
    let trace = Trace::to("/layer-own");
    let request = trace.outermost();
    assert_eq!(request.name(), "own");
    assert_eq!(request.get("id"), "7");
    assert_eq!(request.get("http.response.status_code"), "200");
    trace.wait_and_run(request);
}

/// An app on one lane thread, which `/…/gate` holds until the gate is opened.
fn gated(scope: &'static str, builder: OffloadBuilder) -> (Offload, Served, Gate) {
    let offload = builder.build().expect("starts");
    let gate = Gate::default();
    let hold = gate.clone();
    let routes = Router::new()
        .route("/gate", get(async move || hold.wait()))
        .route("/job", get(async || "done"))
        .route("/panics", get(panics));
    let app = Router::new().nest(scope, routes);
    let served = Served::start(app.layer(offload.layer()));
    (offload, served, gate)
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

fn held(offload: &Offload) {
    let lanes = offload.lanes();
    wait_until("the thread is held", || lanes.running() > 0);
}

#[test]
fn a_request_that_leaves_the_queue_says_so() {
    let (offload, served, gate) = gated("/layer-left", lanes());
    let holds = served.ask("/layer-left/gate");
    held(&offload);
    let waits = served.ask("/layer-left/job");
    wait_until("it waits", || offload.lanes().queued() > 0);
    drop(waits);
    let trace = Trace::to("/layer-left/job");
    assert_eq!(trace.only("queue").get("outcome"), "cancelled");
    gate.open();
    drop(holds);
}

#[test]
fn a_request_that_is_refused_says_so() {
    let short = Duration::from_millis(1);
    let builder = lanes().lanes(|lanes| lanes.patience(short..=short).burst_patience(short));
    let (offload, served, gate) = gated("/layer-refused", builder);
    let holds = served.ask("/layer-refused/gate");
    held(&offload);
    assert_eq!(served.get("/layer-refused/job"), 503);
    let trace = Trace::to("/layer-refused/job");
    let outcome = trace.only("queue").get("outcome");
    assert!(["refused", "expired"].contains(&&*outcome), "{outcome}");
    let status = trace.outermost().get("http.response.status_code");
    assert_eq!(status, "503");
    gate.open();
    drop(holds);
}

#[test]
fn a_panic_is_a_status_of_its_spans() {
    let (_offload, served, _gate) = gated("/layer-panics", lanes());
    assert_eq!(served.get("/layer-panics/panics"), 500);
    let trace = Trace::to("/layer-panics/panics");
    assert_eq!(trace.only("run").get("http.response.status_code"), "500");
    assert_eq!(trace.only("run").get("outcome"), "answered");
}
