//! An `Upgrade` header decides nothing that is known otherwise, and WebSockets live on lanes as well as on event loops.

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use actix_offload::{Mode, Offload, OffloadBuilder, Placement};
use actix_web::{App, HttpRequest, HttpResponse, Result, rt, web};
use actix_ws::Message;
use futures_util::StreamExt;
use offload_tests::{client::Client, connection::Connection, server::TestServer, work::burn};

use crate::gate::{Gate, wait_until};

/// A route like any other, asked for an upgrade.
const PLAIN: &[u8] =
    b"GET /plain HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

fn patient() -> OffloadBuilder {
    let patience = Duration::from_secs(300);
    Offload::builder().lanes(|lanes| lanes.patience(patience..=patience))
}

/// Where a handler ran.
fn here() -> &'static str {
    let thread = thread::current();
    match thread.name() {
        Some(name) if name.starts_with("offload-") => "lane",
        _ => "loop",
    }
}

/// An app with one route that answers by where it ran and is heavy, and notes that as well.
fn heavy(ran: web::Data<Mutex<Vec<&'static str>>>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.app_data(ran).route(
            "/plain",
            web::get().to(|ran: web::Data<Mutex<Vec<&'static str>>>| async move {
                let mut all = ran.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(here());
                drop(all);
                burn(Duration::from_millis(5));
                here()
            }),
        );
    }
}

#[test]
fn an_upgrade_header_is_no_way_around_the_lanes() {
    for builder in [
        patient(),
        patient().mode(Mode::Lane),
        patient().pin("GET", "/plain", Placement::Lane),
    ] {
        let offload = builder
            .lanes(|lanes| lanes.threads(1))
            .build()
            .expect("starts");
        let ran = web::Data::new(Mutex::default());
        let app = {
            let ran = ran.clone();
            move || App::new().configure(heavy(ran.clone()))
        };
        let server = TestServer::start(offload.app(app));
        // Not even the first one, whose route might be a WebSocket's.
        for _ in 0..5 {
            let mut connection = Connection::open(server.addr()).expect("connects");
            connection.send(PLAIN).expect("sends");
            assert_eq!(connection.read_response().expect("answers").body, b"lane");
            // Nor one whose client is gone.
            let mut connection = Connection::open(server.addr()).expect("connects");
            connection.send(PLAIN).expect("sends");
            drop(connection);
        }
        let plain = Client::new(server.addr()).get("/plain").expect("answers");
        assert_eq!(plain.body, b"lane");
        let ran = ran.lock().expect("no panic");
        assert!(
            ran.len() >= 6 && ran.iter().all(|it| *it == "lane"),
            "{ran:?}"
        );
    }
}

/// Answers each message by where it is handled. One that says "wait" waits at a gate, as a computation does.
async fn socket(
    request: HttpRequest,
    body: web::Payload,
    gate: web::Data<Gate>,
) -> Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            if let Message::Text(text) = message {
                if text == "wait" {
                    gate.wait();
                }
                if session.text(here()).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(response)
}

struct Socket(Connection);

impl Socket {
    fn open(server: &TestServer) -> Self {
        let mut connection = Connection::open(server.addr()).expect("connects");
        let handshake = "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        connection.send(handshake.as_bytes()).expect("sends");
        let mark = b"\r\n\r\n";
        assert!(connection.wait_for(mark).expect("answers"));
        let mut head = Vec::new();
        while !head.ends_with(mark) {
            head.extend(connection.read_up_to(1).expect("answers"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        Self(connection)
    }

    fn send(&mut self, text: &str) {
        // Masked by zeros, which changes nothing.
        let length = 0x80 | u8::try_from(text.len()).expect("short");
        let mut frame = vec![0x81, length, 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        self.0.send(&frame).expect("sends");
    }

    fn read(&mut self) -> String {
        let head = self.0.read_up_to(2).expect("a frame");
        let text = self.0.read_up_to(usize::from(head[1])).expect("a frame");
        String::from_utf8(text).expect("text")
    }

    fn ask(&mut self, text: &str) -> String {
        self.send(text);
        self.read()
    }
}

/// A server with one loop, a WebSocket and a light route.
fn with_sockets(builder: OffloadBuilder) -> (TestServer, Gate, Offload) {
    let offload = builder
        .lanes(|lanes| lanes.threads(2))
        .build()
        .expect("starts");
    let gate = Gate::default();
    let data = web::Data::new(gate.clone());
    let app = move || {
        App::new()
            .app_data(data.clone())
            .route("/ws", web::get().to(socket))
            .route("/", web::get().to(|| async { here() }))
    };
    let server = TestServer::builder().workers(1).start(offload.app(app));
    (server, gate, offload)
}

/// Asks the light route until it is known as light.
fn wait_for_light(server: &TestServer) {
    let client = Client::new(server.addr());
    wait_until("on the loop", || {
        client.get("/").expect("answers").body == b"loop"
    });
}

#[test]
fn a_socket_that_is_pinned_to_the_lane_computes_there() {
    let (server, gate, _offload) = with_sockets(patient().pin("GET", "/ws", Placement::Lane));
    wait_for_light(&server);
    let mut socket = Socket::open(&server);
    for _ in 0..10 {
        assert_eq!(socket.ask("where"), "lane");
    }
    socket.send("wait");
    // The loop goes on meanwhile, and so do other sockets.
    let client = Client::new(server.addr());
    for _ in 0..20 {
        assert_eq!(client.get("/").expect("answers").body, b"loop");
    }
    assert_eq!(Socket::open(&server).ask("where"), "lane");
    gate.open();
    assert_eq!(socket.read(), "lane");
}

#[test]
fn sockets_move_to_the_loop_when_they_are_known_as_light() {
    let (server, _gate, offload) = with_sockets(patient());
    let mut first = Socket::open(&server);
    assert_eq!(first.ask("where"), "lane", "nothing is known of it");
    wait_until("known as light", || {
        Socket::open(&server).ask("where") == "loop"
    });
    assert_eq!(first.ask("where"), "lane", "an open one stays");
    drop(offload);
}
