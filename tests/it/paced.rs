//! What has begun on an event loop and turns out heavy is polled one at a time, with everything else in between.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use actix_offload::{Offload, Placement};
use actix_web::{
    App, HttpResponse, Responder, rt,
    web::{self, Bytes},
};
use futures_util::{StreamExt, stream};
use offload_tests::{
    client::Client,
    connection::Connection,
    server::{Protocol, TestServer},
    work::burn,
};
use tokio::sync::watch;

use crate::gate::wait_until;

const HEAVY: Duration = Duration::from_millis(10);
/// More than an event loop runs between two looks at its sockets.
const MANY: usize = 80;
/// After so many light runs a route is known as light.
const LEARNED: usize = 200;

/// What the loop did, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Heavy,
    /// It has looked at its sockets.
    Look,
}

struct World {
    events: Mutex<Vec<Event>>,
    /// What the handlers wait for.
    released: watch::Sender<bool>,
    begun: AtomicUsize,
    ended: AtomicBool,
    heavy: AtomicBool,
}

impl World {
    /// The heavy part of a handler, in its heavy times.
    fn compute(&self) {
        if !self.heavy.load(SeqCst) {
            return;
        }
        burn(HEAVY);
        let thread = thread::current();
        if thread.name().is_some_and(|name| name.starts_with("actix-")) {
            self.push(Event::Heavy);
        }
    }

    fn push(&self, event: Event) {
        self.events.lock().expect("no panic").push(event);
    }

    /// Begins a request that takes until it is released, in heavy times.
    async fn wait(&self) {
        self.begun.fetch_add(1, SeqCst);
        if self.heavy.load(SeqCst) {
            let mut released = self.released.subscribe();
            let _ = released.wait_for(|released| *released).await;
        }
    }

    /// How many heavy polls there were between two looks.
    fn runs(&self) -> Vec<usize> {
        let events = self.events.lock().expect("no panic");
        events
            .split(|event| *event == Event::Look)
            .map(<[Event]>::len)
            .filter(|heavy| *heavy > 0)
            .collect()
    }
}

async fn read(payload: web::Payload, world: web::Data<World>) -> impl Responder {
    world.begun.fetch_add(1, SeqCst);
    let body = payload.to_bytes().await;
    world.compute();
    body
}

async fn later(world: web::Data<World>) -> impl Responder {
    world.wait().await;
    world.compute();
    "later"
}

async fn at_once(world: web::Data<World>) -> impl Responder {
    world.compute();
    "at once"
}

async fn chunks(world: web::Data<World>) -> impl Responder {
    let chunks = stream::iter(0..2).then(move |chunk| {
        let world = world.clone();
        async move {
            if chunk == 1 {
                world.wait().await;
                world.compute();
            }
            Ok::<_, actix_web::Error>(Bytes::from_static(b"chunk"))
        }
    });
    HttpResponse::Ok().streaming(chunks)
}

/// Looks with the loop until the test is over.
async fn look(world: web::Data<World>) -> impl Responder {
    rt::spawn(async move {
        while !world.ended.load(SeqCst) {
            tokio::task::yield_now().await;
            world.push(Event::Look);
        }
    });
    "looks"
}

struct Begun {
    world: web::Data<World>,
    server: TestServer,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.world.ended.store(true, SeqCst);
    }
}

/// A server with one loop, on which `path` has been learned as light, and will be heavy from now on.
fn learned(method: &str, path: &str, protocol: Protocol) -> Begun {
    let patience = Duration::from_secs(300);
    let offload = Offload::builder()
        .pin("GET", "/look", Placement::Loop)
        .lanes(|lanes| lanes.patience(patience..=patience))
        .build()
        .expect("starts");
    let world = web::Data::from(Arc::new(World {
        events: Mutex::default(),
        released: watch::Sender::new(false),
        begun: AtomicUsize::new(0),
        ended: AtomicBool::new(false),
        heavy: AtomicBool::new(false),
    }));
    let data = world.clone();
    let app = move || {
        App::new()
            .app_data(data.clone())
            .route("/read", web::post().to(read))
            .route("/later", web::get().to(later))
            .route("/at-once", web::get().to(at_once))
            .route("/chunks", web::get().to(chunks))
            .route("/look", web::get().to(look))
    };
    let server = TestServer::builder()
        .workers(1)
        .protocol(protocol)
        .start(offload.app(app));
    let client = Client::new(server.addr());
    wait_until("learned as light", || {
        let answer = match method {
            "POST" => client.post_json(path, "[1234567890]"),
            _ => client.get(path),
        };
        assert_eq!(answer.expect("answers").status(), 200);
        let report = offload.report();
        let mut routes = report.routes.iter();
        let route = routes.find(|route| route.pattern == path);
        route.is_some_and(|route| route.placement == Placement::Loop)
    });
    world.heavy.store(true, SeqCst);
    world.begun.store(0, SeqCst);
    Begun { world, server }
}

impl Begun {
    /// Sends this many times, on connections of their own, and waits until all of them have begun.
    fn begin(&self, request: &str) -> Vec<Connection> {
        let connections = (0..MANY).map(|_| {
            let mut connection = Connection::open(self.server.addr()).expect("connects");
            connection.send(request.as_bytes()).expect("sends");
            connection
        });
        let connections: Vec<_> = connections.collect();
        wait_until("all have begun", || self.world.begun.load(SeqCst) == MANY);
        let looks = Client::new(self.server.addr()).get("/look");
        assert_eq!(looks.expect("answers").status(), 200);
        connections
    }

    /// All are answered, and the loop looks at its sockets after each that was heavy there.
    fn end(&self, connections: Vec<Connection>) {
        for mut connection in connections {
            let answer = connection.read_response().expect("answers");
            assert_eq!(answer.status(), 200);
        }
        let runs = self.world.runs();
        assert_eq!(runs.iter().sum::<usize>(), MANY, "begun there");
        assert!(runs.iter().all(|heavy| *heavy <= 2), "{runs:?}");
    }
}

#[test]
fn uploads_that_end_together_are_handled_one_at_a_time() {
    let app = learned("POST", "/read", Protocol::Http1);
    let head = "POST /read HTTP/1.1\r\nHost: test\r\nContent-Length: 12\r\n\r\n";
    let mut connections = app.begin(head);
    for connection in &mut connections {
        connection.send(b"Hello world!").expect("sends");
    }
    app.end(connections);
}

#[test]
fn handlers_that_compute_after_what_they_waited_for_do_so_one_at_a_time() {
    let app = learned("GET", "/later", Protocol::Http1);
    let connections = app.begin("GET /later HTTP/1.1\r\nHost: test\r\n\r\n");
    app.world.released.send_replace(true);
    app.end(connections);
}

#[test]
fn bodies_that_compute_late_do_so_one_at_a_time() {
    let app = learned("GET", "/chunks", Protocol::Http1);
    let connections = app.begin("GET /chunks HTTP/1.1\r\nHost: test\r\n\r\n");
    app.world.released.send_replace(true);
    app.end(connections);
}

/// Two hundred streams of one connection come at once, and what the first of them shows holds for the others.
#[test]
fn streams_that_come_together_know_what_the_first_has_shown() {
    let app = learned("GET", "/at-once", Protocol::AutoH2c);
    let addr = app.server.addr();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("starts");
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(addr)
            .await
            .expect("connects");
        let (sender, connection) = h2::client::handshake(stream).await.expect("speaks HTTP/2");
        let mut sender = sender.ready().await.expect("room");
        let driver = async {
            // It ends with an error when the test is over.
            let _ended = connection.await;
        };
        let answers = async {
            // Over HTTP/2 nothing says beforehand that there is no body, which is a class of its own.
            app.world.heavy.store(false, SeqCst);
            for _ in 0..LEARNED {
                let request = http::Request::get("http://test/at-once").body(());
                let sent = sender.send_request(request.expect("a request"), true);
                let answer = sent.expect("sends").0.await;
                assert_eq!(answer.expect("answers").status(), 200);
            }
            app.world.heavy.store(true, SeqCst);
            let mut answers = Vec::new();
            for _ in 0..MANY {
                let request = http::Request::get("http://test/at-once").body(());
                let sent = sender.send_request(request.expect("a request"), true);
                answers.push(sent.expect("sends").0);
            }
            for answer in answers {
                assert_eq!(answer.await.expect("answers").status(), 200);
            }
        };
        tokio::select! {
            () = driver => panic!("the connection ended"),
            () = answers => {}
        }
    });
    let on_loop: usize = app.world.runs().iter().sum();
    assert!(
        (1..=2).contains(&on_loop),
        "{on_loop} of {MANY} on the loop"
    );
}
