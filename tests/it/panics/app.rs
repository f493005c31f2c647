//! An app that panics wherever an app can, and what the plugin says of it.

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

use actix_offload::{Mode, Offload};
use actix_web::{
    App, Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder,
    body::{BodySize, MessageBody},
    dev::Payload,
    web::{self, Bytes, ServiceConfig},
};
use futures_util::{StreamExt, stream};
use offload_tests::{client::Client, response::RawResponse, server::TestServer};

use super::quiet::{ON_PURPOSE, quiet};
use crate::{gate::wait_until, logs};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{ON_PURPOSE}: a bomb was dropped");
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
        panic!("{ON_PURPOSE}: the extractor panics at once")
    }
}

struct PanicsLater;

impl FromRequest for PanicsLater {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(async {
            actix_web::rt::task::yield_now().await;
            panic!("{ON_PURPOSE}: the extractor panics later")
        })
    }
}

/// Says on which threads the app has run.
#[derive(Clone, Default)]
pub(super) struct Threads(Arc<Mutex<HashSet<ThreadId>>>);

impl Threads {
    fn note(&self) {
        self.0
            .lock()
            .expect("no panic")
            .insert(thread::current().id());
    }

    pub(super) fn count(&self) -> usize {
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
                    panic!("{ON_PURPOSE}: the handler panics");
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
                    panic!("{ON_PURPOSE}: the stream panics")
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
pub(super) struct Panicking {
    pub(super) scope: &'static str,
    pub(super) offload: Offload,
    pub(super) server: TestServer,
    pub(super) threads: Threads,
    pub(super) waiting: web::Data<AtomicUsize>,
}

impl Panicking {
    pub(super) fn start(mode: Mode, scope: &'static str) -> Self {
        logs::record();
        quiet();
        // A spare thread comes and goes, so that threads could not be told from those that died.
        let builder = Offload::builder()
            .lanes(|lanes| lanes.threads(2).spare_threads(0))
            .mode(mode);
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

    pub(super) fn ask(&self, path: &str) -> RawResponse {
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
    pub(super) fn has_counted(&self, path: &str, count: u64) {
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
