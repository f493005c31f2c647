//! How request bodies come to a lane: small ones with their request, others when the handler asks for them.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_offload::{Mode, Offload, OffloadBuilder, Placement};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use futures_util::{FutureExt, StreamExt};
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
    let builder = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
    builder
        .mode(Mode::Lane)
        .lanes(|lanes| lanes.patience(long..=long))
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

/// Counts the requests that have begun: what extracts it is asked before the body is waited for.
struct Begun(web::Data<AtomicUsize>);

impl FromRequest for Begun {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let begun = request.app_data::<web::Data<AtomicUsize>>();
        let begun = begun.expect("the app has it").clone();
        begun.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Self(begun)))
    }
}

/// An app on one lane thread whose `/gate` holds that thread; `/echo` answers its body and how many
/// requests had begun when it worked, the one at the gate included.
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
            let (gate, begun) = (gate.clone(), begun.clone());
            let held_loop = Gate::default();
            offload.app(move || {
                let gate = gate.clone();
                let (held_loop, counted) = (held_loop.clone(), held_loop.clone());
                App::new()
                    .app_data(web::Data::from(begun.clone()))
                    .route(
                        "/gate",
                        web::get().to(move |_: Begun| {
                            gate.wait();
                            async { "open" }
                        }),
                    )
                    .route(
                        "/loop",
                        web::get().to(move |_: Begun| {
                            held_loop.wait();
                            async { "open" }
                        }),
                    )
                    .route(
                        "/along",
                        web::post().to(move |mut payload: web::Payload| {
                            let counted = counted.clone();
                            async move {
                                let mut bytes = 0;
                                while let Some(Some(piece)) = payload.next().now_or_never() {
                                    bytes += piece?.len();
                                }
                                counted.open();
                                while let Some(piece) = payload.next().await {
                                    piece?;
                                }
                                Ok::<_, actix_web::Error>(bytes.to_string())
                            }
                        }),
                    )
                    .route(
                        "/echo",
                        web::post().to(async |Begun(begun): Begun, body: web::Bytes| {
                            let begun = begun.load(Ordering::SeqCst);
                            format!("{begun} {}", String::from_utf8_lossy(&body))
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

/// Each handler works in its turn: when it does, none behind it has begun. If its turn only asked
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
    let mut begun: Vec<usize> = answers
        .enumerate()
        .map(|(index, answer)| {
            let (begun, body) = answer.split_once(' ').expect("two words");
            assert_eq!(body.trim_end(), format!("body {index}"));
            begun.parse().expect("a number")
        })
        .collect();
    begun.sort_unstable();
    begun.into_iter().eq(2..requests.len() + 2)
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

/// A body of so many bytes takes several reads of the socket.
const LONG: usize = 200_000;

fn long_requests() -> Vec<String> {
    let request = |index| {
        let body = format!("body {index}{}", " ".repeat(LONG));
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

/// How many bytes of a long body are there when its handler begins. Meanwhile the event loop is held, which would bring
/// more.
fn came_along(builder: OffloadBuilder) -> usize {
    let builder = builder.pin("GET", "/loop", Placement::Loop);
    let app = Gated::with(builder.build().expect("starts"), Protocol::Http1);
    let mut held = app.hold();
    let head = format!("POST /along HTTP/1.1\r\nHost: test\r\nContent-Length: {LONG}\r\n\r\n");
    let mut long = send(&app.server, &(head + &" ".repeat(LONG)));
    app.wait_for_queued(1);
    let mut held_loop = send(&app.server, "GET /loop HTTP/1.1\r\nHost: test\r\n\r\n");
    wait_until("the loop is held", || app.begun.load(Ordering::SeqCst) == 2);
    app.gate.open();
    assert_eq!(body_of(&mut held_loop), "open");
    assert_eq!(body_of(&mut held), "open");
    body_of(&mut long).parse().expect("a number")
}

#[test]
fn long_bodies_come_along_if_there_is_room_for_them() {
    let room = |bytes| one_thread().read_ahead(bytes);
    // On a busy machine one may stop to flow, and is then not waited for.
    assert!((0..8).any(|_| came_along(one_thread()) == LONG));
    assert!((0..8).any(|_| came_along(room(8 * LONG as u64)) == LONG));
    assert_eq!(came_along(room(8 * LONG as u64 - 1)), 0);
    assert_eq!(came_along(room(0)), 0);
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
    assert_eq!(body_of(&mut slow), "2 body 0");
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
