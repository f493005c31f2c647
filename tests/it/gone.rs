//! What becomes of a request on the lanes when its client goes away: by a reset, by an ordinary close, or only half.

#[cfg(target_os = "linux")]
mod callback;
mod http2;

use std::{
    io::Write,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_offload::{Mode, Offload};
use actix_web::{App, web};
use offload_tests::{
    connection::Connection,
    server::{Protocol, TestServer},
};
use tokio::runtime::Runtime;

use crate::gate::{Gate, wait_until};

/// Whether the server has the plugin's callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callback {
    With,
    Without,
}

/// Whether actix lets a client close its sending half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HalfClosed {
    Allowed,
    Refused,
}

/// An app on one lane thread. `/gate` holds that thread, `/job` counts that it has begun, `/wait` waits
/// without holding the thread and says when it was dropped.
struct Gated {
    offload: Offload,
    server: TestServer,
    gate: Gate,
    held: Arc<AtomicBool>,
    begun: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
}

/// Counts those that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gated {
    fn start(protocol: Protocol, callback: Callback, half_closed: HalfClosed) -> Self {
        let long = Duration::from_secs(600);
        let builder = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
        let builder = builder
            .mode(Mode::Lane)
            .lanes(|lanes| lanes.patience(long..=long));
        let offload = builder.build().expect("starts");
        let (gate, held) = (Gate::default(), Arc::new(AtomicBool::new(false)));
        let (begun, waiting) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let app = {
            let (gate, held) = (gate.clone(), held.clone());
            let (begun, waiting) = (begun.clone(), waiting.clone());
            offload.app(move || {
                let (gate, held) = (gate.clone(), held.clone());
                let (begun, waiting) = (begun.clone(), waiting.clone());
                let job = move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    async { "done" }
                };
                App::new()
                    .route(
                        "/gate",
                        web::get().to(move || {
                            held.store(true, Ordering::SeqCst);
                            gate.wait();
                            async { "open" }
                        }),
                    )
                    .route("/job", web::get().to(job.clone()))
                    .route("/job", web::post().to(job))
                    .route(
                        "/wait",
                        web::get().to(move || {
                            let alive = Alive::new(&waiting);
                            async move {
                                std::future::pending::<()>().await;
                                drop(alive);
                                "never"
                            }
                        }),
                    )
            })
        };
        let on_connect = offload.on_connect();
        let server = TestServer::builder()
            .protocol(protocol)
            .start_with(app, move |server| {
                let server = server.h1_allow_half_closed(half_closed == HalfClosed::Allowed);
                match callback {
                    Callback::With => server.on_connect(on_connect),
                    Callback::Without => server,
                }
            });
        Self {
            offload,
            server,
            gate,
            held,
            begun,
            waiting,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Holds the lane's thread.
    fn hold(&self) -> Connection {
        let mut connection = Connection::open(self.addr()).expect("connects");
        connection.send(&get("/gate")).expect("sends");
        wait_until("the gate is reached", || self.held.load(Ordering::SeqCst));
        connection
    }

    fn wait_for_queued(&self, count: usize) {
        wait_until(&format!("{count} requests are queued"), || {
            self.offload.lanes().queued() == count
        });
    }

    /// Lets the lane work off what there is, and says how many jobs have begun.
    fn finish(self, mut held: Connection) -> usize {
        self.gate.open();
        let response = held.read_response().expect("answers");
        assert_eq!(response.body, b"open");
        // Whatever was queued when the gate opened is in front of this.
        let mut last = Connection::open(self.addr()).expect("connects");
        last.send(&get("/job")).expect("sends");
        assert_eq!(last.read_response().expect("answers").body, b"done");
        self.begun.load(Ordering::SeqCst) - 1
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes()
}

/// A client that sends this and leaves in any way.
fn client(addr: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("connects");
    stream.set_nodelay(true).expect("a socket");
    stream.write_all(request).expect("sends");
    stream
}

/// Leaves by a reset instead of an orderly end.
fn reset(stream: TcpStream) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(runtime);
    // tokio can say it to the kernel, and the standard library cannot.
    let _entered = RUNTIME.enter();
    stream.set_nonblocking(true).expect("a socket");
    let stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
    stream.set_zero_linger().expect("a socket");
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

const CLIENTS: usize = 20;

#[test]
fn a_reset_takes_what_is_queued_with_default_settings() {
    for callback in [Callback::Without, Callback::With] {
        let app = Gated::start(Protocol::Http1, callback, HalfClosed::Allowed);
        let held = app.hold();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| client(app.addr(), &get("/job")))
            .collect();
        app.wait_for_queued(CLIENTS);
        clients.into_iter().for_each(reset);
        app.wait_for_queued(0);
        assert_eq!(app.finish(held), 0, "{callback:?}");
    }
}

#[test]
fn those_who_left_are_counted_with_their_route() {
    let app = Gated::start(Protocol::Http1, Callback::Without, HalfClosed::Allowed);
    // A route is known once it has answered.
    let mut known = Connection::open(app.addr()).expect("connects");
    let cancelled = || {
        let report = app.offload.report();
        let route = report.routes.iter().find(|r| r.pattern == "/job");
        route.map(|route| route.cancelled)
    };
    wait_until("the route is known", || {
        let mut known = Connection::open(app.addr()).expect("connects");
        known.send(&get("/job")).expect("sends");
        known.read_response().expect("answers");
        cancelled() == Some(0)
    });
    known.send(&get("/job")).expect("sends");
    known.read_response().expect("answers");
    let held = app.hold();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| client(app.addr(), &get("/job")))
        .collect();
    app.wait_for_queued(CLIENTS);
    clients.into_iter().for_each(reset);
    wait_until("they are counted", || cancelled() == Some(CLIENTS as u64));
    app.gate.open();
    drop(held);
}

#[test]
fn an_end_takes_what_is_queued_where_half_closed_clients_are_refused() {
    for callback in [Callback::Without, Callback::With] {
        let app = Gated::start(Protocol::Http1, callback, HalfClosed::Refused);
        let held = app.hold();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| client(app.addr(), &get("/job")))
            .collect();
        app.wait_for_queued(CLIENTS);
        drop(clients);
        app.wait_for_queued(0);
        assert_eq!(app.finish(held), 0, "{callback:?}");
    }
}

#[test]
fn a_half_closed_client_gets_its_answer_with_default_settings() {
    for callback in [Callback::Without, Callback::With] {
        let app = Gated::start(Protocol::Http1, callback, HalfClosed::Allowed);
        let held = app.hold();
        let mut clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let mut connection = Connection::open(app.addr()).expect("connects");
                connection.send(&get("/job")).expect("sends");
                connection.half_close();
                connection
            })
            .collect();
        app.wait_for_queued(CLIENTS);
        app.gate.open();
        for client in &mut clients {
            assert_eq!(client.read_response().expect("answers").body, b"done");
        }
        assert_eq!(app.finish(held), CLIENTS, "{callback:?}");
    }
}
