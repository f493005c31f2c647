//! The end of a server: what waits on the lanes is answered, one way or the other.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use actix_offload::{Drained, Mode, Offload, Placement, is_cancelled};
use actix_web::{App, HttpResponse, web};
use futures_util::stream;
use offload_tests::{connection::Connection, server::TestServer};

use crate::gate::{Gate, wait_until};

const UPLOAD: usize = 200_000;

const LONG: Duration = Duration::from_secs(600);

/// An app on one lane thread. `/gate` holds the thread, `/count` counts, `/stream` sends two parts with the gate between,
/// `/endless` computes until it is cancelled.
struct Ending {
    offload: Offload,
    server: TestServer,
    gate: Gate,
    begun: Arc<AtomicUsize>,
    cancelled: Arc<AtomicBool>,
}

impl Ending {
    fn start() -> Self {
        let builder = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
        let builder = builder
            .mode(Mode::Lane)
            .lanes(|lanes| lanes.patience(LONG..=LONG));
        let builder = builder.pin("GET", "/light", Placement::Loop);
        let offload = builder.build().expect("starts");
        let (gate, begun) = (Gate::default(), Arc::<AtomicUsize>::default());
        let cancelled = Arc::<AtomicBool>::default();
        let shared = (gate.clone(), begun.clone(), cancelled.clone());
        let app = offload.app(move || {
            let (gate, begun, cancelled) = shared.clone();
            let count = begun.clone();
            let holds = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                gate.wait();
                async { "held" }
            };
            let counts = move || {
                count.fetch_add(1, Ordering::SeqCst);
                async { "counted" }
            };
            let endless = move || {
                while !is_cancelled() {
                    std::hint::spin_loop();
                }
                cancelled.store(true, Ordering::SeqCst);
                async { "never sent" }
            };
            App::new()
                .route("/gate", web::get().to(holds))
                .route("/count", web::get().to(counts))
                .route("/endless", web::get().to(endless))
                .route("/light", web::get().to(|| async { "light" }))
                .route("/upload", web::post().to(length))
                .route("/stream", web::get().to(two_parts))
        });
        Self {
            server: TestServer::start(app),
            offload,
            gate,
            begun,
            cancelled,
        }
    }

    fn send(&self, path: &str) -> Connection {
        let mut connection = Connection::open(self.server.addr()).expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
        connection
    }

    /// Begins a body that is long enough to be waited for while it flows.
    fn begin_upload(&self) -> Connection {
        let mut connection = Connection::open(self.server.addr()).expect("connects");
        let head = format!(
            "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: {UPLOAD}\r\n\
             Expect: 100-continue\r\n\r\n"
        );
        connection.send(head.as_bytes()).expect("sends");
        let goes_on = connection.read_up_to(b"HTTP/1.1 100 Continue\r\n\r\n".len());
        assert!(goes_on.expect("reads").starts_with(b"HTTP/1.1 100"));
        connection
    }

    /// Runs the shutdown on a runtime of its own.
    fn shut_down(&self, grace: Duration) -> thread::JoinHandle<Drained> {
        let offload = self.offload.clone();
        thread::spawn(move || runtime().block_on(offload.shutdown(grace)))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

async fn length(body: web::Bytes) -> String {
    body.len().to_string()
}

async fn two_parts() -> HttpResponse {
    let parts = stream::unfold(0, |part| async move {
        tokio::task::yield_now().await;
        let text = web::Bytes::from(format!("part {part} "));
        (part < 50).then_some((Ok::<_, actix_web::Error>(text), part + 1))
    });
    HttpResponse::Ok().streaming(parts)
}

fn status(connection: &mut Connection) -> String {
    let response = connection.read_response().expect("answers");
    let line = String::from_utf8_lossy(&response.status_line).into_owned();
    let closes = response
        .header_lines
        .iter()
        .any(|line| line.to_ascii_lowercase().starts_with(b"connection: close"));
    let code = line.split(' ').nth(1).unwrap_or_default().to_owned();
    if closes {
        format!("{code} close")
    } else {
        code
    }
}

#[test]
fn what_is_queued_is_finished_within_the_grace() {
    let ending = Ending::start();
    let mut blocker = ending.send("/gate");
    wait_until("it runs", || ending.begun.load(Ordering::SeqCst) == 1);
    let mut queued: Vec<_> = (0..40).map(|_| ending.send("/count")).collect();
    wait_until("all wait", || ending.offload.lanes().queued() == 40);
    let shutdown = ending.shut_down(LONG);
    ending.gate.open();
    assert_eq!(status(&mut blocker), "200");
    for connection in &mut queued {
        assert_eq!(status(connection), "200");
    }
    let drained = shutdown.join().expect("no panic");
    // Some may have ended before the shutdown had begun.
    assert!(drained.ended <= 41, "{drained}");
    assert_eq!((drained.refused, drained.left), (0, 0));
    assert_eq!(ending.begun.load(Ordering::SeqCst), 41);
}

#[test]
fn what_outlives_the_grace_is_refused_and_told_so() {
    let ending = Ending::start();
    let mut endless = ending.send("/endless");
    wait_until("it runs", || ending.offload.lanes().running() == 1);
    let mut queued: Vec<_> = (0..20).map(|_| ending.send("/count")).collect();
    wait_until("all wait", || ending.offload.lanes().queued() == 20);
    let drained = ending.shut_down(Duration::from_secs(2)).join();
    let drained = drained.expect("no panic");
    assert_eq!(status(&mut endless), "503 close");
    for connection in &mut queued {
        assert_eq!(status(connection), "503 close");
    }
    // On a slow machine some may hear of it only after the end.
    assert_eq!(drained.ended, 0, "{drained}");
    assert!(drained.refused as usize + drained.left >= 21, "{drained}");
    wait_until("the handler knows", || {
        ending.cancelled.load(Ordering::SeqCst)
    });
    assert_eq!(ending.begun.load(Ordering::SeqCst), 0, "none was begun");

    // A heavy request that comes now is refused at once; a light one is the server's business.
    assert_eq!(status(&mut ending.send("/count")), "503 close");
    assert_eq!(status(&mut ending.send("/light")), "200");
}

#[test]
fn new_requests_are_served_while_there_is_time_for_them() {
    let ending = Ending::start();
    let mut blocker = ending.send("/gate");
    wait_until("it runs", || ending.begun.load(Ordering::SeqCst) == 1);
    let shutdown = ending.shut_down(LONG);
    let mut late = ending.send("/count");
    wait_until("it waits", || ending.offload.lanes().queued() == 1);
    ending.gate.open();
    assert_eq!(status(&mut blocker), "200");
    assert_eq!(status(&mut late), "200");
    let drained = shutdown.join().expect("no panic");
    assert_eq!((drained.refused, drained.left), (0, 0));
}

#[test]
fn a_request_whose_body_comes_is_finished_within_the_grace() {
    let ending = Ending::start();
    let mut upload = ending.begin_upload();
    let rest = vec![b'x'; UPLOAD / 2];
    upload.send(&rest).expect("the server reads");
    let runtime = runtime();
    let mut shutdown = pin!(ending.offload.shutdown(LONG));
    // The first poll begins it.
    let begin = poll_fn(|cx| Poll::Ready(shutdown.as_mut().poll(cx)));
    assert!(runtime.block_on(begin).is_pending(), "it is under way");
    upload.send(&rest).expect("the server reads");
    let response = upload.read_response().expect("answers");
    assert_eq!(
        (response.status(), response.body),
        (200, UPLOAD.to_string().into_bytes())
    );
    let drained = runtime.block_on(shutdown);
    assert_eq!((drained.refused, drained.left), (0, 0), "{drained}");
    assert_eq!(drained.ended, 1, "{drained}");
}

#[test]
fn a_request_whose_body_does_not_come_is_refused_and_told_so() {
    let ending = Ending::start();
    let mut upload = ending.begin_upload();
    upload.send(&[b'x'; UPLOAD / 2]).expect("the server reads");
    let drained = ending.shut_down(Duration::from_secs(1)).join();
    let drained = drained.expect("no panic");
    assert_eq!(status(&mut upload), "503 close");
    assert!(drained.refused as usize + drained.left >= 1, "{drained}");
}

#[test]
fn a_stream_is_sent_to_its_end() {
    let ending = Ending::start();
    let mut streaming = ending.send("/stream");
    wait_until("it was taken", || {
        ending.offload.lanes().stats().submitted > 0
    });
    let shutdown = ending.shut_down(LONG);
    let response = streaming.read_response().expect("answers");
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(
        text.contains("part 0 ") && text.contains("part 49 "),
        "{text}"
    );
    let drained = shutdown.join().expect("no panic");
    assert_eq!((drained.refused, drained.left), (0, 0));
}

#[test]
fn a_plugin_at_rest_is_shut_down_at_once_and_twice() {
    let ending = Ending::start();
    for _ in 0..2 {
        let drained = ending.shut_down(LONG).join().expect("no panic");
        assert_eq!((drained.ended, drained.refused, drained.left), (0, 0, 0));
    }
}
