//! What goes along with a request to a lane, and what stops when its client has gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_http::Request;
use actix_offload::{Mode, Offload};
use actix_service::{IntoServiceFactory, Service, apply_fn_factory};
use actix_web::{App, Error, HttpResponse, web};
use futures_util::stream;
use offload_tests::{connection::Connection, server::TestServer};
use tracing::Span;

use crate::logs;

fn always_lane() -> Offload {
    let builder = Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .mode(Mode::Lane);
    builder.build().expect("starts")
}

fn open(server: &TestServer, path: &str) -> Connection {
    let mut connection = Connection::open(server.addr()).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    connection.send(request.as_bytes()).expect("sends");
    connection
}

fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "the condition never came"
        );
        thread::yield_now();
    }
}

#[test]
fn a_handler_is_inside_of_a_span_before_and_after_it_waits() {
    logs::record();
    let offload = always_lane();
    let app = offload.app(|| {
        App::new().route(
            "/",
            web::get().to(|| async {
                let before = Span::current().metadata().map(|span| span.name());
                tokio::task::yield_now().await;
                let after = Span::current().metadata().map(|span| span.name());
                format!("{before:?} {after:?}")
            }),
        )
    });
    let server = TestServer::start(move || {
        apply_fn_factory(app().into_factory(), |request: Request, service| {
            let span = tracing::error_span!("of_the_connection");
            let _entered = span.enter();
            service.call(request)
        })
    });
    let body = open(&server, "/").read_response().expect("answers").body;
    // A child of the connection's, which the tests of spans show.
    let expected = r#"Some("run") Some("run")"#;
    assert_eq!(String::from_utf8_lossy(&body), expected);
}

/// Says when it is dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_handler_that_has_begun_stops_at_its_next_await_when_its_client_leaves() {
    let offload = always_lane();
    let (begun, stopped) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let app = {
        let (begun, stopped) = (begun.clone(), stopped.clone());
        offload.app(move || {
            let (begun, stopped) = (begun.clone(), stopped.clone());
            App::new().route(
                "/",
                web::get().to(move || {
                    let (begun, guard) = (begun.clone(), Guard(stopped.clone()));
                    async move {
                        begun.store(true, Ordering::SeqCst);
                        std::future::pending::<()>().await;
                        drop(guard);
                        HttpResponse::Ok().finish()
                    }
                }),
            )
        })
    };
    let server = TestServer::builder().start_with(app, |server| server.h1_allow_half_closed(false));
    let connection = open(&server, "/");
    wait_until(|| begun.load(Ordering::SeqCst));
    assert!(!stopped.load(Ordering::SeqCst));
    drop(connection);
    wait_until(|| stopped.load(Ordering::SeqCst));
}

#[test]
fn a_stream_is_made_no_faster_than_it_is_read_and_ends_with_its_reader() {
    const CHUNK: usize = 64 << 10;
    let offload = always_lane();
    let (made, stopped) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let app = {
        let (made, stopped) = (made.clone(), stopped.clone());
        offload.app(move || {
            let (made, stopped) = (made.clone(), stopped.clone());
            App::new().route(
                "/",
                web::get().to(move || {
                    let (made, guard) = (made.clone(), Guard(stopped.clone()));
                    let endless = stream::repeat_with(move || {
                        let _alive = &guard;
                        made.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, Error>(web::Bytes::from_static(&[b'x'; CHUNK]))
                    });
                    async move { HttpResponse::Ok().streaming(endless) }
                }),
            )
        })
    };
    let server = TestServer::builder().start_with(app, |server| server.h1_allow_half_closed(false));
    let mut connection = open(&server, "/");
    connection.read_up_to(64).expect("a head");
    // Nobody reads on: once the kernel's buffers are full, no more is made.
    let still = || {
        let before = made.load(Ordering::SeqCst);
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(300) {
            thread::yield_now();
        }
        made.load(Ordering::SeqCst) == before
    };
    wait_until(still);
    let buffered = made.load(Ordering::SeqCst) * CHUNK;
    assert!(buffered < 256 << 20, "{buffered} bytes wait for a reader");

    let read = connection.read_up_to(2 * buffered).expect("more");
    assert_eq!(read.len(), 2 * buffered);
    assert!(
        made.load(Ordering::SeqCst) * CHUNK > buffered,
        "it goes on when it is read"
    );
    assert!(!stopped.load(Ordering::SeqCst));
    drop(connection);
    wait_until(|| stopped.load(Ordering::SeqCst));
}
