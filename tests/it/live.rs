//! The live page: what it says and to whom, that it stays live whatever the lanes do, and that it holds up no end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use actix_offload::{Live, Mode, Offload, Placement};
use actix_web::{App, HttpServer, web};
use offload_tests::{
    client::Client, connection::Connection, response::RawResponse, server::TestServer,
};
use serde_json::Value;

use crate::gate::wait_until;

const LONG: Duration = Duration::from_secs(600);

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PARTS: [(&str, &str); 6] = [
    ("/_offload/", "text/html; charset=utf-8"),
    ("/_offload", "text/html; charset=utf-8"),
    ("/_offload/live.css", "text/css; charset=utf-8"),
    ("/_offload/live.js", "text/javascript; charset=utf-8"),
    ("/_offload/live/plot.js", "text/javascript; charset=utf-8"),
    ("/_offload/state", "application/json"),
];

/// An app with the page on one event loop and one thread per lane; `/spin` computes until it is told to stop.
struct Shown {
    offload: Offload,
    server: TestServer,
    stop: Arc<AtomicBool>,
}

impl Shown {
    fn start() -> Self {
        Self::with(|live| live)
    }

    fn with(restrict: impl Fn(Live) -> Live + Clone + Send + 'static) -> Self {
        let builder = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
        let builder = builder
            .mode(Mode::Lane)
            .lanes(|lanes| lanes.patience(LONG..=LONG));
        let builder = builder.lanes(|lanes| lanes.queue_bound(8));
        let builder = builder.pin("GET", "/light", Placement::Loop);
        let offload = builder.build().expect("starts");
        let stop = Arc::<AtomicBool>::default();
        let shared = (offload.clone(), stop.clone());
        let app = offload.app(move || {
            let (offload, stop) = shared.clone();
            let spin = move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                async { "done" }
            };
            App::new()
                .service(restrict(offload.live()))
                .route("/spin", web::get().to(spin))
                .route("/light", web::get().to(|| async { "light" }))
        });
        Self {
            server: TestServer::start(app),
            offload,
            stop,
        }
    }

    fn client(&self) -> Client {
        Client::new(self.server.addr())
    }

    fn ask(&self, method: &str, target: &str) -> RawResponse {
        let answer = self.client().ask(method, target, &[], b"");
        answer.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    fn get(&self, target: &str) -> RawResponse {
        self.ask("GET", target)
    }

    fn send(&self, target: &str) -> Connection {
        let mut connection = Connection::open(self.server.addr()).expect("connects");
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
        connection
    }

    fn watch(&self) -> Watching {
        Watching(self.send("/_offload/events"))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A viewer's end of the stream.
struct Watching(Connection);

impl Watching {
    /// Reads to the end of the next event, comment or head. Each event is sent as one chunk.
    fn next_block(&mut self) -> String {
        let mut block = Vec::new();
        while !block.ends_with(b"\n\n") && !block.ends_with(b"\r\n\r\n") {
            let byte = self.0.read_up_to(1).expect("no time-out");
            assert!(!byte.is_empty(), "it ended with {block:?}");
            block.extend(byte);
        }
        String::from_utf8(block).expect("text")
    }

    fn next_state(&mut self) -> Value {
        loop {
            let block = self.next_block();
            if let Some((head, data)) = block.split_once("\ndata: ") {
                let state: Value = serde_json::from_str(data).expect("JSON");
                let id = format!("id: {}\nevent: state", state["seq"]);
                assert!(head.ends_with(&id), "{head}");
                return state;
            }
        }
    }
}

fn text(answer: &RawResponse) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[track_caller]
fn assert_guarded(target: &str, answer: &RawResponse) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{target} {name}");
    }
}

#[test]
fn each_part_has_its_type_and_the_strict_headers() {
    let shown = Shown::start();
    for (target, content_type) in PARTS {
        let got = shown.get(target);
        assert_eq!(got.status(), 200, "{target}");
        assert_eq!(got.header("content-type"), Some(content_type), "{target}");
        assert_guarded(target, &got);

        let head = shown.ask("HEAD", target);
        assert_eq!(head.status(), 200, "{target}");
        assert_eq!(head.header("content-type"), Some(content_type), "{target}");
        assert!(head.body.is_empty(), "{target}");
        if target != "/_offload/state" {
            let length = got.body.len().to_string();
            assert_eq!(head.header("content-length"), Some(&*length), "{target}");
        }
        assert_guarded(target, &head);

        let posted = shown.ask("POST", target);
        assert_eq!(posted.status(), 405, "{target}");
        assert_eq!(posted.header("allow"), Some("GET, HEAD"), "{target}");
        assert_guarded(target, &posted);
    }
    let head = shown.ask("HEAD", "/_offload/events");
    assert_eq!(head.status(), 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_guarded("events", &head);
    let missing = shown.get("/_offload/live/nothing.js");
    assert_eq!(missing.status(), 404);
    assert_guarded("nothing.js", &missing);
}

/// What stands between the quotes after each `mark`.
fn quoted<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    let after = text.split(mark).skip(1);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_page_is_made_of_what_is_here_and_nothing_else() {
    let shown = Shown::start();
    for (target, folder) in [("/_offload/", "/_offload/"), ("/_offload", "/")] {
        let page = text(&shown.get(target));
        for inline in ["<style", " style=", "<script>", " onclick=", "{below}"] {
            assert!(!page.contains(inline), "{target} has {inline}");
        }
        let mut links = quoted(&page, "href=\"");
        links.extend(quoted(&page, "src=\""));
        links.retain(|link| !link.starts_with("data:") && !link.starts_with('#'));
        assert!(links.len() >= 3, "{links:?}");
        for link in links {
            let at = format!("{folder}{link}");
            assert_eq!(shown.get(&at).status(), 200, "{target} links to {at}");
        }
    }
    let mut open = vec!["/_offload/live.js".to_owned()];
    let mut seen = Vec::new();
    while let Some(target) = open.pop() {
        let script = text(&shown.get(&target));
        assert!(!script.contains("innerHTML"), "{target}");
        assert!(
            !script.contains("//cdn") && !script.contains("https:"),
            "{target}"
        );
        let folder = target.rsplit_once('/').map_or("", |(folder, _)| folder);
        for module in quoted(&script, " from \"./") {
            let module = format!("{folder}/{module}");
            if !seen.contains(&module) {
                assert_eq!(
                    shown.get(&module).status(),
                    200,
                    "{target} imports {module}"
                );
                seen.push(module.clone());
                open.push(module);
            }
        }
    }
    assert!(seen.len() >= 5, "{seen:?}");
}

#[test]
fn who_is_not_allowed_sees_nothing() {
    let shown = Shown::with(|live| live.allow(|head| head.headers().contains_key("x-key")));
    let events = ("/_offload/events", "");
    for (target, _) in PARTS.into_iter().chain([events]) {
        let refused = shown.get(target);
        assert_eq!(refused.status(), 403, "{target}");
        assert_eq!(text(&refused), "forbidden\n");
        assert_guarded(target, &refused);
    }
    let key = ["X-Key: yes"];
    let allowed = shown.client().ask("GET", "/_offload/", &key, b"");
    assert_eq!(allowed.expect("answers").status(), 200);
}

#[test]
fn a_state_says_what_is_known() {
    let shown = Shown::start();
    shown.get("/light");
    let state: Value = serde_json::from_slice(&shown.get("/_offload/state").body).expect("JSON");
    for field in [
        "seq",
        "unix_ms",
        "pid",
        "workers",
        "routes_omitted",
        "lane_runs_total",
    ] {
        assert!(state[field].is_u64(), "{field} in {state}");
    }
    assert_eq!(state["pid"], std::process::id());
    assert_eq!(state["budget_us"], 100.0);
    assert!(state["uptime_seconds"].as_f64() > Some(0.0), "{state}");
    assert_eq!(state["lanes"][0]["threads"], 1);
    let event_loop = &state["event_loops"][0];
    assert!(event_loop["requests"].as_u64() >= Some(1), "{event_loop}");
    let routes = state["routes"].as_array().expect("routes");
    let light = routes.iter().find(|route| route["pattern"] == "/light");
    assert_eq!(light.expect("met")["loop_runs"], 1);
    for route in routes {
        let page = route["pattern"]
            .as_str()
            .expect("text")
            .starts_with("/_offload");
        assert!(!page || route["placement"] == "loop", "{route}");
    }

    let mut watching = shown.watch();
    let first = watching.next_state();
    // A viewer begins with the last state, unless it is old.
    assert!(first["seq"].as_u64() >= state["seq"].as_u64(), "{first}");
    let keys = |state: &Value| -> Vec<String> {
        state
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&first), keys(&state), "one kind of state");
}

#[test]
fn it_stays_live_while_every_lane_thread_computes_and_the_queue_is_full() {
    let shown = Shown::start();
    let mut waiting: Vec<Connection> = Vec::new();
    let lanes = shown.offload.lanes();
    while lanes.stats().refused == 0 {
        let submitted = || lanes.stats().submitted + lanes.stats().refused;
        let before = submitted();
        waiting.push(shown.send("/spin"));
        wait_until("it came", || submitted() > before);
    }
    assert!(lanes.running() >= 1 && lanes.queued() >= 1);

    let mut watching = shown.watch();
    let mut last = 0;
    for _ in 0..4 {
        let state = watching.next_state();
        let seq = state["seq"].as_u64().expect("a number");
        assert!(seq > last, "{seq} after {last}");
        last = seq;
        let running = |lane: &Value| lane["running"].as_u64() > Some(0);
        let lanes = state["lanes"].as_array().expect("lanes");
        assert!(lanes.iter().any(running), "{state}");
    }
    for (target, _) in PARTS {
        for method in ["GET", "HEAD"] {
            assert_eq!(shown.ask(method, target).status(), 200, "{method} {target}");
        }
    }
    shown.stop.store(true, Ordering::Relaxed);
}

#[test]
fn so_many_may_look_on_and_no_more() {
    let shown = Shown::start();
    let mut watching: Vec<_> = (0..Live::MOST_VIEWERS).map(|_| shown.watch()).collect();
    for viewer in &mut watching {
        viewer.next_state();
    }
    for target in ["/_offload/events", "/_offload/state"] {
        let refused = shown.get(target);
        assert_eq!(refused.status(), 503, "{target}");
        assert!(refused.header("retry-after").is_some());
        assert_guarded(target, &refused);
    }
    assert_eq!(shown.get("/_offload/").status(), 200);
    watching.pop();
    wait_until("there is room again", || {
        shown.get("/_offload/state").status() == 200
    });
    shown.watch().next_state();
}

#[test]
fn a_shutdown_ends_the_streams_and_begins_no_more() {
    let shown = Shown::start();
    let mut watching = shown.watch();
    watching.next_state();
    let offload = shown.offload.clone();
    let shutdown = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().expect("a runtime");
        runtime.block_on(offload.shutdown(LONG))
    });
    let drained = shutdown.join().expect("no panic");
    assert_eq!((drained.refused, drained.left), (0, 0));
    // The connection ends with the stream, or else it would hold up the server instead.
    let rest = watching.0.read_to_end().expect("it ends");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream was cut");
    assert_eq!(shown.get("/_offload/events").status(), 503);
    assert_eq!(shown.get("/_offload/state").status(), 200);
}

#[test]
fn a_server_that_is_asked_to_stop_waits_for_no_viewer() {
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .build()
        .expect("starts");
    let shown = offload.clone();
    let app = offload.app(move || App::new().service(shown.live()));
    let (send, addr) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(app)
                .workers(1)
                .disable_signals()
                .shutdown_timeout(LONG.as_secs())
                .bind(("127.0.0.1", 0))
                .expect("a free port");
            let addr = server.addrs()[0];
            let server = server.run();
            send.send((addr, server.handle())).expect("the test waits");
            server.await.expect("ends well");
        });
    });
    let (addr, handle) = addr.recv_timeout(LONG).expect("starts");
    let mut connection = Connection::open(addr).expect("connects");
    connection
        .send(b"GET /_offload/events HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("sends");
    let mut watching = Watching(connection);
    watching.next_state();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    let stopped = handle.stop(true);
    runtime.block_on(offload.shutdown(LONG));
    runtime.block_on(stopped);
    server.join().expect("no panic");
    watching.0.read_to_end().expect("it ended");
}

#[test]
fn an_app_without_the_page_knows_nothing_of_it() {
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .build()
        .expect("starts");
    let app = offload.app(|| App::new().route("/", web::get().to(|| async { "hello" })));
    let server = TestServer::start(app);
    let client = Client::new(server.addr());
    for (target, _) in PARTS {
        assert_eq!(
            client.get(target).expect("answers").status(),
            404,
            "{target}"
        );
    }
    let report = offload.report();
    let page = |pattern: &str| pattern.starts_with("/_offload");
    assert!(!report.routes.iter().any(|route| page(&route.pattern)));
}
