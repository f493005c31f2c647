//! However a wait or a run ends, its span is closed and says how.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use actix_offload::{Mode, Offload};
use actix_web::{
    App, HttpResponse,
    web::{self, Bytes},
};
use futures_util::{StreamExt, stream};
use offload_tests::{client::Client, connection::Connection, server::TestServer};

use crate::{
    gate::{Gate, wait_until},
    telemetry::{self, Trace},
};

/// An app on one lane thread, which `/…/gate` holds until the gate is opened. `/…/pending` opens it and never answers.
struct Gated {
    offload: Offload,
    server: TestServer,
    gate: Gate,
}

impl Gated {
    fn start(scope: &'static str, patience: Duration) -> Self {
        telemetry::install();
        let builder = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
        let builder = builder.lanes(|lanes| lanes.patience(patience..=patience));
        let offload = builder.mode(Mode::Lane).build().expect("starts");
        let gate = Gate::default();
        let app = {
            let gate = gate.clone();
            offload.app(move || {
                let (gate, begun) = (gate.clone(), gate.clone());
                let pending = move || {
                    begun.open();
                    std::future::pending::<HttpResponse>()
                };
                let hold = move || {
                    gate.wait();
                    async { "open" }
                };
                let endless = || async {
                    let first = Ok::<_, Infallible>(Bytes::from_static(b"first"));
                    let chunks = stream::once(async { first }).chain(stream::pending());
                    HttpResponse::Ok().streaming(chunks)
                };
                let panics = || async {
                    if true {
                        panic!("on purpose");
                    }
                    "never"
                };
                let routes = web::scope(scope)
                    .route("/gate", web::get().to(hold))
                    .route("/job", web::get().to(|| async { "done" }))
                    .route("/upload", web::post().to(async |_: Bytes| "done"))
                    .route("/pending", web::get().to(pending))
                    .route("/endless", web::get().to(endless))
                    .route("/panics", web::get().to(panics));
                App::new().service(routes)
            })
        };
        let on_connect = offload.on_connect();
        let server = TestServer::builder().start_with(app, move |server| {
            server.on_connect(on_connect).h1_allow_half_closed(false)
        });
        Self {
            offload,
            server,
            gate,
        }
    }

    fn ask(&self, target: &str) -> Connection {
        let mut connection = Connection::open(self.server.addr()).expect("connects");
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
        connection
    }

    /// Holds the lane's only thread.
    fn hold(&self, target: &str) -> Connection {
        let held = self.ask(target);
        let lanes = self.offload.lanes();
        wait_until("the thread is held", || {
            lanes.running() == 1 && lanes.queued() == 0
        });
        held
    }

    fn status(&self, target: &str) -> u16 {
        let answer = Client::new(self.server.addr()).get(target);
        answer.expect("answers").status()
    }
}

const LONG: Duration = Duration::from_secs(600);

/// The trace of a request that never began.
fn never_began(path: &str, outcome: &str, status: &str) {
    let trace = Trace::to(path);
    assert_eq!(trace.spans().len(), 2, "{trace:?}");
    let (request, queue) = (trace.outermost(), trace.only("queue"));
    assert_eq!(queue.parent(), request.id());
    assert_eq!(queue.get("outcome"), outcome);
    assert_eq!(request.get("http.response.status_code"), status);
}

#[test]
fn a_refused_request_closes_its_queue() {
    let app = Gated::start("/refused", LONG);
    app.offload.lanes().refuse_all();
    assert_eq!(app.status("/refused/job"), 503);
    never_began("/refused/job", "refused", "503");
    // Not one byte of its body is waited for.
    let mut upload = Connection::open(app.server.addr()).expect("connects");
    let head = "POST /refused/upload HTTP/1.1\r\nHost: test\r\nContent-Length: 200000\r\n\r\n";
    upload.send(head.as_bytes()).expect("sends");
    assert_eq!(upload.read_response().expect("answers").status(), 503);
    never_began("/refused/upload", "refused", "503");
}

#[test]
fn a_request_whose_client_left_closes_its_queue() {
    let app = Gated::start("/left", LONG);
    let held = app.hold("/left/gate");
    let leaves = app.ask("/left/job");
    wait_until("it is queued", || app.offload.lanes().queued() == 1);
    drop(leaves);
    never_began("/left/job", "cancelled", "");
    app.gate.open();
    drop(held);
    Trace::to("/left/gate");
}

#[test]
fn a_request_that_waited_too_long_closes_its_queue() {
    let patience = Duration::from_millis(200);
    let app = Gated::start("/expired", patience);
    let mut held = app.hold("/expired/gate");
    // How long the one in front of it takes is not known, so it is let in.
    let mut waits = app.ask("/expired/job");
    wait_until("it is queued", || app.offload.lanes().queued() == 1);
    let over = Instant::now() + patience;
    wait_until("its patience is over", || Instant::now() > over);
    app.gate.open();
    assert_eq!(waits.read_response().expect("answers").status(), 503);
    never_began("/expired/job", "expired", "503");
    assert_eq!(held.read_response().expect("answers").status(), 200);
}

#[test]
fn a_request_that_is_removed_at_the_end_closes_its_queue() {
    let app = Gated::start("/ending", LONG);
    let mut held = app.hold("/ending/gate");
    let mut waits = app.ask("/ending/job");
    wait_until("it is queued", || app.offload.lanes().queued() == 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("starts");
    let grace = Duration::from_millis(50);
    runtime.block_on(app.offload.shutdown(grace));
    assert_eq!(waits.read_response().expect("answers").status(), 503);
    never_began("/ending/job", "refused", "503");
    app.gate.open();
    assert_eq!(held.read_response().expect("answers").status(), 503);
}

#[test]
fn a_run_that_nobody_waits_for_says_so() {
    let app = Gated::start("/stopped", LONG);
    // From its answer the app's routes are known.
    assert_eq!(app.status("/stopped/job"), 200);
    let pending = app.ask("/stopped/pending");
    app.gate.wait();
    drop(pending);
    let mut endless = app.ask("/stopped/endless");
    assert!(
        endless.wait_for(b"first").expect("reads"),
        "the first chunk"
    );
    drop(endless);
    for (path, status) in [("/stopped/pending", ""), ("/stopped/endless", "200")] {
        let trace = Trace::to(path);
        let (queue, run) = trace.wait_and_run(trace.outermost());
        assert_eq!(queue.get("outcome"), "begun");
        assert_eq!(run.get("outcome"), "cancelled", "{path}");
        assert_eq!(run.get("http.response.status_code"), status, "{path}");
        assert_eq!(run.get("route"), format!("GET {path}"));
    }
}

#[test]
fn a_panic_is_an_event_of_its_run() {
    let app = Gated::start("/panicked", LONG);
    assert_eq!(app.status("/panicked/panics"), 500);
    let trace = Trace::to("/panicked/panics");
    let (_, run) = trace.wait_and_run(trace.outermost());
    assert_eq!(run.get("http.response.status_code"), "500");
    let events: Vec<_> = run.data().events.iter().map(|event| &event.name).collect();
    assert!(
        events.iter().any(|name| name.contains("on purpose")),
        "{events:?}"
    );
}
