//! Under saturation, over sockets: nobody starves, the surplus is refused early, and light routes notice nothing.

mod burst;
mod cold_flood;
mod cold_start;
mod deadline;
mod fairness;
mod gone;
mod overflow;
#[cfg(target_os = "linux")]
mod panics;
mod waiting;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_offload::{Offload, OffloadBuilder, Placement, Priority, RouteReport, Terms};
use actix_web::{App, HttpRequest, web};
use offload_tests::{
    client::Client, connection::Connection, response::RawResponse, server::TestServer, work::burn,
};

use crate::gate::{Gate, wait_until};

/// Longer than any test takes, so that nothing is refused for having waited on a slow machine.
const LONG: Duration = Duration::from_secs(3600);

/// What a light route may cost here. Roomy, so that noise on a busy machine is no change of cost.
const BUDGET: Duration = Duration::from_millis(4);

/// What each request of a heavy route burns.
const HEAVY: Duration = Duration::from_millis(8);

/// Settings for lanes that stand up to whatever else a busy machine does: priorities are not what is tested here.
fn sturdy() -> OffloadBuilder {
    Offload::builder()
        .lanes(|lanes| lanes.priorities(Priority::Normal, Priority::Normal))
        .budget(BUDGET)
}

/// Settings with one thread for each lane, whose slot is never lent, and with patience for all.
fn single() -> OffloadBuilder {
    sturdy().lanes(|lanes| {
        lanes
            .threads(1)
            .spare_threads(0)
            .patience(LONG..=LONG)
            .short_limit(Duration::from_secs(1))
    })
}

/// Holds all threads of both lanes until it is dropped.
struct Held(Gate);

impl Held {
    fn all_of(offload: &Offload) -> Self {
        let gate = Gate::default();
        let lanes = offload.lanes();
        wait_until("the lanes are at rest", || {
            lanes.queued() + lanes.running() == 0
        });
        let long = Terms::new().cost(Duration::from_secs(2));
        for (terms, threads) in [
            (Terms::new(), lanes.short().threads),
            (long, lanes.long().threads),
        ] {
            let terms = terms.patience(LONG);
            for _ in 0..threads {
                let gate = gate.clone();
                let job = lanes.submit(&terms, move || gate.wait());
                job.expect("room").detach();
            }
        }
        wait_until("they have begun", || {
            let all = lanes.short().threads + lanes.long().threads;
            lanes.queued() == 0 && lanes.running() == all
        });
        Self(gate)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Which handlers have begun, in order, without their scope.
#[derive(Clone, Debug, Default)]
struct Begun(Arc<Mutex<Vec<String>>>);

impl Begun {
    fn note(&self, request: &HttpRequest) {
        let path = request.path().to_owned();
        self.0.lock().expect("no panic").push(path);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }

    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

/// An app with the heavy routes `/one` and `/two`, with `/later` and `/cheaper` that wait for something before they compute,
/// and the light ones `/light` and `/health`.
struct Saturated {
    offload: Offload,
    server: TestServer,
    begun: Begun,
}

impl Saturated {
    fn start(builder: OffloadBuilder) -> Self {
        let offload = builder.build().expect("starts");
        let begun = Begun::default();
        let app = {
            let begun = begun.clone();
            offload.app(move || {
                App::new()
                    .app_data(web::Data::new(begun.clone()))
                    .route("/light", web::get().to(|| async { "light" }))
                    .route("/health", web::get().to(|| async { "well" }))
                    .route("/one", web::get().to(heavy))
                    .route("/two", web::get().to(heavy))
                    .route("/later", web::get().to(heavy_later))
                    .route("/cheaper", web::get().to(cheaper_later))
            })
        };
        let server = TestServer::start(app);
        Self {
            offload,
            server,
            begun,
        }
    }

    /// Starts, and asks the heavy routes until it is known what they cost.
    fn warm(builder: OffloadBuilder) -> Self {
        Self::warm_for(builder, ["/one", "/two"])
    }

    fn warm_for(builder: OffloadBuilder, paths: [&str; 2]) -> Self {
        let this = Self::start(builder);
        for path in paths {
            wait_until("the route's cost is known", || {
                assert_eq!(this.get(path).status(), 200);
                this.route(path).is_some_and(|route| route.lane_runs >= 4)
            });
        }
        this.begun.take();
        this
    }

    /// Asks the light route until it runs on its event loop.
    fn lighten(&self) {
        wait_until("the light route is on its loop", || {
            assert_eq!(self.get("/light").status(), 200);
            self.is_on_loop("/light")
        });
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    fn get(&self, path: &str) -> RawResponse {
        Client::new(self.addr()).get(path).expect("answers")
    }

    fn route(&self, pattern: &str) -> Option<RouteReport> {
        let routes = self.offload.report().routes;
        routes.into_iter().find(|route| route.pattern == pattern)
    }

    fn is_on_loop(&self, pattern: &str) -> bool {
        self.route(pattern)
            .is_some_and(|route| route.placement == Placement::Loop)
    }

    /// How many requests ran on event loops.
    fn on_loops(&self) -> u64 {
        let loops = self.offload.report().event_loops;
        loops.iter().map(|event_loop| event_loop.requests).sum()
    }

    /// Sends `count` requests from as many connections, and waits until they are queued.
    fn queue(&self, path: &str, count: usize) -> Vec<Connection> {
        let before = self.offload.lanes().queued();
        let connections = (0..count).map(|_| open(self.addr(), path, "")).collect();
        wait_until("the requests are queued", || {
            self.offload.lanes().queued() == before + count
        });
        connections
    }
}

/// With `?dear` it costs three times as much, with `?dearest` twelve times.
async fn heavy(request: HttpRequest, begun: web::Data<Begun>) -> &'static str {
    begun.note(&request);
    burn(match request.query_string() {
        "dear" => 3 * HEAVY,
        "dearest" => 12 * HEAVY,
        _ => HEAVY,
    });
    "done"
}

async fn heavy_later(request: HttpRequest, begun: web::Data<Begun>) -> &'static str {
    begun.note(&request);
    actix_web::rt::task::yield_now().await;
    burn(HEAVY);
    "done"
}

async fn cheaper_later(request: HttpRequest, begun: web::Data<Begun>) -> &'static str {
    begun.note(&request);
    actix_web::rt::task::yield_now().await;
    burn(HEAVY / 4);
    "done"
}

/// A connection on which a request with these header lines was sent.
fn open(addr: SocketAddr, path: &str, headers: &str) -> Connection {
    let mut connection = Connection::open(addr).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
    connection.send(request.as_bytes()).expect("sends");
    connection
}

/// Reads the answers, all of which must be good.
fn all_are_answered(connections: Vec<Connection>) {
    for mut connection in connections {
        assert_eq!(connection.read_response().expect("answers").body, b"done");
    }
}

/// Sees that a refusal says what it must.
fn is_a_refusal(response: &RawResponse) {
    assert_eq!(response.status(), 503, "{response:?}");
    let seconds = response.header("retry-after").expect("Retry-After");
    let seconds: u64 = seconds.parse().expect("a number of seconds");
    assert!(seconds >= 1);
    assert_eq!(response.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(body["error"], "overloaded");
    assert_eq!(body["retry_after_seconds"], seconds);
}
