//! Wherever an app panics, its threads live on, its client hears of it, and the report and the log name the route.

use std::{
    collections::HashSet,
    future::{self, Future},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread::{self, ThreadId},
};

use actix_offload::{Offload, Policy};
use actix_web::{
    App, Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder,
    body::{BodySize, MessageBody},
    dev::Payload,
    web::{self, Bytes, ServiceConfig},
};
use futures_util::{StreamExt, stream};
use offload_tests::{
    client::Client,
    connection::Connection,
    response::{Completeness, RawResponse},
    server::TestServer,
};

use crate::{gate::wait_until, logs};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb was dropped");
    }
}

/// A return value that panics when actix is done with it.
struct ExplosiveValue(Bomb);

impl Responder for ExplosiveValue {
    type Body = &'static str;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<Self::Body> {
        HttpResponse::Ok()
            .message_body("value")
            .expect("a response")
    }
}

/// A body of one piece that panics when it is dropped.
struct ExplosiveBody {
    piece: Option<Bytes>,
    _bomb: Bomb,
}

impl MessageBody for ExplosiveBody {
    type Error = Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(4)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        Poll::Ready(self.piece.take().map(Ok))
    }
}

struct PanicsAtOnce;

impl FromRequest for PanicsAtOnce {
    type Error = Error;
    type Future = future::Ready<Result<Self, Error>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        panic!("the extractor panics at once")
    }
}

struct PanicsLater;

impl FromRequest for PanicsLater {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(async {
            actix_web::rt::task::yield_now().await;
            panic!("the extractor panics later")
        })
    }
}

/// Says on which threads the app has run.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<HashSet<ThreadId>>>);

impl Threads {
    fn note(&self) {
        self.0
            .lock()
            .expect("no panic")
            .insert(thread::current().id());
    }

    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

fn configure(config: &mut ServiceConfig) {
    config
        .route("/plain", web::get().to(|| async { "plain" }))
        .route(
            "/handler",
            web::get().to(|threads: web::Data<Threads>| async move {
                threads.note();
                if true {
                    panic!("the handler panics");
                }
                "never"
            }),
        )
        .route(
            "/at-once",
            web::get().to(|_: PanicsAtOnce| async { "never" }),
        )
        .route("/later", web::get().to(|_: PanicsLater| async { "never" }))
        .route("/value", web::get().to(|| async { ExplosiveValue(Bomb) }))
        .route(
            "/extension",
            web::get().to(|request: HttpRequest| async move {
                request.extensions_mut().insert(Bomb);
                "never"
            }),
        )
        .route(
            "/body",
            web::get().to(|| async {
                let piece = Some(Bytes::from_static(b"body"));
                HttpResponse::Ok().body(ExplosiveBody { piece, _bomb: Bomb })
            }),
        )
        .route(
            "/stream",
            web::get().to(|| async {
                let half = stream::iter([Ok::<_, Error>(Bytes::from_static(b"half"))]);
                let rest = stream::once(async {
                    actix_web::rt::task::yield_now().await;
                    panic!("the stream panics")
                });
                HttpResponse::Ok().streaming(half.chain(rest))
            }),
        )
        .route(
            "/waits",
            web::get().to(|waiting: web::Data<AtomicUsize>| async move {
                let _bomb = Bomb;
                waiting.fetch_add(1, Ordering::SeqCst);
                future::pending::<()>().await;
                "never"
            }),
        );
}

/// The app on the lanes or on its event loop, whose routes are known and named `/{scope}/...`.
struct Panicking {
    scope: &'static str,
    offload: Offload,
    server: TestServer,
    threads: Threads,
    waiting: web::Data<AtomicUsize>,
}

impl Panicking {
    fn start(policy: Policy, scope: &'static str) -> Self {
        logs::record();
        let builder = Offload::builder().threads(2).policy(policy);
        let offload = builder.build().expect("starts");
        let (threads, waiting) = (Threads::default(), web::Data::new(AtomicUsize::new(0)));
        let app = {
            let (threads, waiting) = (threads.clone(), waiting.clone());
            offload.app(move || {
                App::new()
                    .app_data(web::Data::new(threads.clone()))
                    .app_data(waiting.clone())
                    .service(web::scope(scope).configure(configure))
            })
        };
        let server =
            TestServer::builder().start_with(app, |server| server.h1_allow_half_closed(false));
        let this = Self {
            scope,
            offload,
            server,
            threads,
            waiting,
        };
        wait_until("the routes are known", || {
            this.serves();
            this.panics("/plain").is_some()
        });
        this
    }

    fn ask(&self, path: &str) -> RawResponse {
        let target = format!("{}{path}", self.scope);
        let client = Client::new(self.server.addr());
        client.get(&target).expect("answers")
    }

    fn serves(&self) {
        assert_eq!(self.ask("/plain").body, b"plain");
    }

    /// How many panics the report counts for a route.
    fn panics(&self, path: &str) -> Option<u64> {
        let pattern = format!("{}{path}", self.scope);
        let report = self.offload.report();
        let route = report.routes.iter().find(|route| route.pattern == pattern);
        route.map(|route| route.panics)
    }

    /// Waits until the report and the log have one more panic each, and serves on.
    fn has_counted(&self, path: &str, count: u64) {
        wait_until("the panic is counted", || self.panics(path) == Some(count));
        let pattern = format!("\"{}{path}\"", self.scope);
        let words = ["ERROR", "a handler panicked", "\"GET\"", &pattern];
        wait_until("the panic is logged", || {
            logs::lines_with(&words) == count as usize
        });
        for _ in 0..4 {
            self.serves();
        }
    }
}

fn status(response: &RawResponse) -> String {
    let line = String::from_utf8_lossy(&response.status_line).into_owned();
    line.split(' ').nth(1).expect("a status").to_owned()
}

/// Runs `check` on the lanes and on the event loop.
fn everywhere(lane: &'static str, on_loop: &'static str, check: impl Fn(&Panicking)) {
    check(&Panicking::start(Policy::AlwaysLane, lane));
    check(&Panicking::start(Policy::AlwaysLoop, on_loop));
}

#[test]
fn a_panic_before_the_answer_is_a_500() {
    everywhere("/lane-before", "/loop-before", |app| {
        for path in ["/handler", "/at-once", "/later", "/value", "/extension"] {
            for count in 1..=2 {
                assert_eq!(status(&app.ask(path)), "500", "{}{path}", app.scope);
                app.has_counted(path, count);
            }
        }
    });
}

#[test]
fn a_stream_that_panics_is_cut() {
    everywhere("/lane-stream", "/loop-stream", |app| {
        for count in 1..=2 {
            let response = app.ask("/stream");
            assert_eq!(status(&response), "200");
            assert_eq!(response.completeness, Completeness::Cut);
            // Whether what it gave before is still sent is actix's choice.
            assert!(b"half".starts_with(&response.body), "{response:?}");
            app.has_counted("/stream", count);
        }
    });
}

#[test]
fn a_body_that_panics_when_it_is_dropped_was_sent() {
    everywhere("/lane-body", "/loop-body", |app| {
        for count in 1..=2 {
            let response = app.ask("/body");
            assert_eq!(status(&response), "200");
            assert_eq!(response.completeness, Completeness::Complete);
            assert_eq!(response.body, b"body");
            app.has_counted("/body", count);
        }
    });
}

#[test]
fn a_handler_that_panics_when_its_client_leaves_is_counted() {
    everywhere("/lane-left", "/loop-left", |app| {
        for count in 1..=2 {
            let mut client = Connection::open(app.server.addr()).expect("connects");
            let request = format!("GET {}/waits HTTP/1.1\r\nHost: test\r\n\r\n", app.scope);
            client.send(request.as_bytes()).expect("sends");
            wait_until("the handler waits", || {
                app.waiting.load(Ordering::SeqCst) == count as usize
            });
            drop(client);
            app.has_counted("/waits", count);
        }
    });
}

/// Counts its drops, and panics in those on lane threads.
struct CountedBomb(Arc<AtomicUsize>);

impl Drop for CountedBomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        if thread::current()
            .name()
            .is_some_and(|name| name.starts_with("offload-"))
        {
            panic!("a bomb was dropped");
        }
    }
}

#[test]
fn apps_that_panic_at_their_end_end_all_the_same() {
    let builder = Offload::builder().threads(2).policy(Policy::AlwaysLane);
    let offload = builder.build().expect("starts");
    let (built, dropped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let start = || {
        let (built, dropped) = (built.clone(), dropped.clone());
        TestServer::start(offload.app(move || {
            built.fetch_add(1, Ordering::SeqCst);
            App::new()
                .app_data(web::Data::new(CountedBomb(dropped.clone())))
                .route("/", web::get().to(|| async { "built" }))
        }))
    };
    // Several instances on each thread, so that several panic when it ends.
    let servers = [start(), start(), start()];
    for server in &servers {
        for _ in 0..8 {
            let answer = Client::new(server.addr()).get("/").expect("answers");
            assert_eq!(answer.body, b"built");
        }
    }
    drop(servers);
    drop(offload);
    wait_until("all instances are dropped", || {
        dropped.load(Ordering::SeqCst) == built.load(Ordering::SeqCst)
    });
}

#[test]
fn a_thousand_panics_cost_no_thread() {
    const CONNECTIONS: usize = 4;
    const EACH: usize = 250;
    everywhere("/lane-thousand", "/loop-thousand", |app| {
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut connection = Connection::open(app.server.addr()).expect("connects");
                    let request =
                        format!("GET {}/handler HTTP/1.1\r\nHost: test\r\n\r\n", app.scope);
                    for _ in 0..EACH {
                        connection.send(request.as_bytes()).expect("sends");
                        let response = connection.read_response().expect("answers");
                        assert_eq!(status(&response), "500");
                    }
                });
            }
        });
        app.has_counted("/handler", (CONNECTIONS * EACH) as u64);
        // A thread that dies is replaced by one with another identity, if at all.
        let most = match app.scope {
            "/loop-thousand" => 1,
            _ => app
                .offload
                .report()
                .lanes
                .iter()
                .map(|lane| lane.threads)
                .sum(),
        };
        assert!(app.threads.count() <= most, "{}", app.threads.count());
    });
}
