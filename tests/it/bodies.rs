//! How request bodies come to a lane: small ones with their request, others when the handler asks for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_offload::{Offload, OffloadBuilder, Policy};
use actix_web::{App, HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use offload_tests::{
    connection::Connection,
    response::Asked,
    server::{Protocol, TestServer},
};

use crate::gate::{Gate, wait_until};

fn one_lane_thread() -> Offload {
    one_thread().build().expect("starts")
}

fn one_thread() -> OffloadBuilder {
    let long = Duration::from_secs(600);
    let builder = Offload::builder().threads(1).spare_threads(0);
    builder.policy(Policy::AlwaysLane).patience(long, 1, long)
}

/// Sends a request and leaves its answer to come.
fn send(server: &TestServer, request: &str) -> Connection {
    let mut connection = Connection::open(server.addr()).expect("connects");
    connection.send(request.as_bytes()).expect("sends");
    connection
}

fn body_of(connection: &mut Connection) -> String {
    let response = connection.read_response().expect("answers");
    String::from_utf8_lossy(&response.body).into_owned()
}

/// An app on one lane thread whose `/gate` holds that thread; `/echo` answers its body and how many
/// jobs waited while it worked.
struct Gated {
    offload: Offload,
    server: TestServer,
    gate: Gate,
    begun: Arc<AtomicUsize>,
}

impl Gated {
    fn start(protocol: Protocol) -> Self {
        Self::with(one_lane_thread(), protocol)
    }

    fn with(offload: Offload, protocol: Protocol) -> Self {
        let (gate, begun) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
        let app = {
            let (offload, gate, begun) = (offload.clone(), gate.clone(), begun.clone());
            offload.clone().app(move || {
                let (offload, gate, begun) = (offload.clone(), gate.clone(), begun.clone());
                let held = begun.clone();
                App::new()
                    .route(
                        "/gate",
                        web::get().to(move || {
                            held.fetch_add(1, Ordering::SeqCst);
                            gate.wait();
                            async { "open" }
                        }),
                    )
                    .route(
                        "/echo",
                        web::post().to(move |body: web::Bytes| {
                            begun.fetch_add(1, Ordering::SeqCst);
                            let queued = offload.lanes().queued();
                            async move { format!("{queued} {}", String::from_utf8_lossy(&body)) }
                        }),
                    )
            })
        };
        let server = TestServer::builder().protocol(protocol).start(app);
        Self {
            offload,
            server,
            gate,
            begun,
        }
    }

    /// Holds the lane's thread.
    fn hold(&self) -> Connection {
        let connection = send(&self.server, "GET /gate HTTP/1.1\r\nHost: test\r\n\r\n");
        wait_until("the gate is reached", || {
            self.begun.load(Ordering::SeqCst) == 1
        });
        connection
    }

    fn wait_for_queued(&self, count: usize) {
        wait_until("the requests are queued", || {
            self.offload.lanes().queued() == count
        });
    }
}

/// Each handler works in its turn: when it does, exactly those behind it wait. If its turn only asked
/// for the body, all would have begun before the first of them worked.
fn works_in_turn(requests: &[String]) {
    assert!(worked_in_turn(one_lane_thread(), requests));
}

fn worked_in_turn(offload: Offload, requests: &[String]) -> bool {
    let app = Gated::with(offload, Protocol::Http1);
    let mut held = app.hold();
    let mut connections = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        connections.push(send(&app.server, request));
        app.wait_for_queued(index + 1);
    }
    assert_eq!(app.begun.load(Ordering::SeqCst), 1, "none has begun");
    app.gate.open();
    assert_eq!(body_of(&mut held), "open");
    let answers = connections.iter_mut().map(body_of);
    let mut queued: Vec<usize> = answers
        .enumerate()
        .map(|(index, answer)| {
            let (queued, body) = answer.split_once(' ').expect("two words");
            assert_eq!(body.trim_end(), format!("body {index}"));
            queued.parse().expect("a number")
        })
        .collect();
    queued.sort_unstable();
    queued.into_iter().eq(0..requests.len())
}

#[test]
fn the_work_on_a_small_body_is_done_in_its_turn_of_the_queue() {
    let requests: Vec<_> = (0..5)
        .map(|index| {
            format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\nbody {index}")
        })
        .collect();
    works_in_turn(&requests);
}

#[test]
fn so_is_the_work_on_a_chunked_body_that_is_there() {
    let requests: Vec<_> = (0..5)
        .map(|index| {
            format!(
                "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                 4\r\nbody\r\n2\r\n {index}\r\n0\r\n\r\n"
            )
        })
        .collect();
    works_in_turn(&requests);
}

/// Requests whose bodies take several reads of the socket.
fn long_requests() -> Vec<String> {
    let request = |index| {
        let body = format!("body {index}{}", " ".repeat(200_000));
        let length = body.len();
        format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    (0..5).map(request).collect()
}

#[test]
fn so_is_the_work_on_a_long_body_that_flows() {
    let requests = long_requests();
    // On a busy machine one may stop to flow, and is then not waited for.
    assert!((0..8).any(|_| worked_in_turn(one_lane_thread(), &requests)));
}

#[test]
fn without_room_for_it_no_long_body_is_read_ahead() {
    let offload = one_thread().read_ahead(0).build().expect("starts");
    assert!(!worked_in_turn(offload, &long_requests()));
}

#[test]
fn a_request_waits_for_its_turn_and_not_for_its_body() {
    let app = Gated::start(Protocol::Http1);
    let mut held = app.hold();
    let mut slow = send(
        &app.server,
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\n",
    );
    // It is queued though its body has not come.
    app.wait_for_queued(1);
    app.gate.open();
    assert_eq!(body_of(&mut held), "open");
    wait_until("it has its turn", || app.offload.lanes().queued() == 0);
    slow.send(b"body 0").expect("the server listens");
    assert_eq!(body_of(&mut slow), "0 body 0");
}

#[test]
fn a_client_that_sends_its_body_after_the_answer_gets_one() {
    let offload = one_lane_thread();
    let app = offload.app(|| {
        App::new().route(
            "/",
            web::post().to(
                |_request: HttpRequest, mut payload: web::Payload| async move {
                    let (head, tail) = (web::Bytes::from_static(b"go on\n"), async move {
                        let mut bytes = 0;
                        while let Some(piece) = payload.next().await {
                            bytes += piece?.len();
                        }
                        Ok::<_, actix_web::Error>(web::Bytes::from(format!("{bytes}")))
                    });
                    let head = futures_util::stream::once(async { Ok(head) });
                    HttpResponse::Ok().streaming(head.chain(futures_util::stream::once(tail)))
                },
            ),
        )
    });
    let server = TestServer::start(app);
    for length in [6, 60_000, 600_000] {
        let head = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        let mut client = send(&server, &head);
        assert!(client.wait_for(b"go on\n").expect("answers"), "{length}");
        client.send(&vec![b'x'; length]).expect("the server reads");
        let response = client.read_response_to(Asked::Body).expect("the rest");
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert_eq!(body, format!("go on\n{length}"));
    }
}

/// Longer than all that the kernels, actix and the hop hold on the way.
const LARGE: usize = 64 << 20;

#[test]
fn a_large_body_is_taken_no_faster_than_it_is_read() {
    let offload = one_lane_thread();
    let (gate, read) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let app = {
        let (gate, read) = (gate.clone(), read.clone());
        offload.app(move || {
            let (gate, read) = (gate.clone(), read.clone());
            App::new().route(
                "/",
                web::post().to(move |mut payload: web::Payload| {
                    let (gate, read) = (gate.clone(), read.clone());
                    async move {
                        let mut bytes = 0;
                        while let Some(piece) = payload.next().await {
                            bytes += piece?.len();
                            if read.fetch_add(1, Ordering::SeqCst) == 0 {
                                gate.wait();
                            }
                        }
                        Ok::<_, actix_web::Error>(format!("{bytes}"))
                    }
                }),
            )
        })
    };
    let server = TestServer::start(app);
    let mut connection = Connection::open(server.addr()).expect("connects");
    let head = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {LARGE}\r\n\r\n");
    connection.send(head.as_bytes()).expect("sends");

    let sent = Arc::new(AtomicUsize::new(0));
    let writer = {
        let sent = sent.clone();
        thread::spawn(move || {
            let piece = vec![b'x'; 64 << 10];
            while sent.load(Ordering::SeqCst) < LARGE {
                connection.send(&piece).expect("the server takes it");
                sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
            body_of(&mut connection)
        })
    };
    wait_until("the handler reads", || read.load(Ordering::SeqCst) == 1);
    // Whoever reads on while the handler does not would take all of it.
    let still = || {
        let before = sent.load(Ordering::SeqCst);
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(300) {
            thread::yield_now();
        }
        sent.load(Ordering::SeqCst) == before
    };
    wait_until("the writer has to wait", still);
    assert!(sent.load(Ordering::SeqCst) < LARGE, "somebody took it all");
    gate.open();
    assert_eq!(writer.join().expect("no panic"), LARGE.to_string());
}
