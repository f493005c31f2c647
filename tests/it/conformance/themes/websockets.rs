//! WebSockets, and requests for upgrades that lead to none.

use actix_web::{
    HttpRequest, HttpResponse, Result, rt,
    web::{self, ServiceConfig},
};
use actix_ws::{AggregatedMessage, Message};
use futures_util::StreamExt;

use super::super::{app, case::Case, compare::compare, request::Request};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/ws")
            .route("/echo", web::get().to(echo))
            .route("/talks-first", web::get().to(talks_first))
            .route("/whole", web::get().to(whole))
            .route(
                "/declines",
                web::get().to(|| async { HttpResponse::Forbidden().body("no sockets") }),
            ),
    );
}

async fn echo(request: HttpRequest, body: web::Payload) -> Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Ping(bytes) => session.pong(&bytes).await,
                Message::Close(reason) => {
                    // The peer may be gone before it reads this.
                    let _closed = session.close(reason).await;
                    return;
                }
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}

async fn talks_first(request: HttpRequest, body: web::Payload) -> Result<HttpResponse> {
    let (mut response, mut session, _messages) =
        actix_ws::handle_with_protocols(&request, body, &["chat", "superchat"])?;
    response.headers_mut().insert(
        actix_web::http::header::HeaderName::from_static("x-room"),
        actix_web::http::header::HeaderValue::from_static("7"),
    );
    rt::spawn(async move {
        let greeted = session.text("welcome").await;
        if greeted.is_ok() {
            let _closed = session.close(None).await;
        }
    });
    Ok(response)
}

async fn whole(request: HttpRequest, body: web::Payload) -> Result<HttpResponse> {
    let (response, mut session, messages) = actix_ws::handle(&request, body)?;
    let mut messages = messages
        .aggregate_continuations()
        .max_continuation_size(1 << 20);
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            if let AggregatedMessage::Text(text) = message
                && session
                    .text(format!("{} in all", text.len()))
                    .await
                    .is_err()
            {
                return;
            }
        }
    });
    Ok(response)
}

fn handshake(path: &str) -> Request {
    Request::get(path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// A masked frame of less than 126 or of up to 65,535 bytes.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut bytes = vec![head];
    match u8::try_from(payload.len()) {
        Ok(short @ 0..126) => bytes.push(0x80 | short),
        _ => {
            let length = u16::try_from(payload.len()).expect("a short frame");
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const TEXT_BEGINS: u8 = 0x01;
const CONTINUES: u8 = 0x00;
const ENDS: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// The status 1000 and a reason.
const GOODBYE: &[u8] = b"\x03\xe8bye";

fn upgraded() -> Vec<Case> {
    let open = |name: &str, path: &str| {
        Case::new(name)
            .exchange(&handshake(path))
            .says("HTTP/1.1 101 ")
    };
    let large = vec![b'x'; 60_000];
    vec![
        open("a text comes back", "/ws/echo")
            .send(frame(TEXT, b"hello"))
            .bytes(7)
            .send(frame(CLOSE, GOODBYE))
            .bytes(7)
            .says(r"| \x81\x05hello"),
        open("bytes come back", "/ws/echo")
            .send(frame(BINARY, &large))
            .bytes(60_004)
            .send(frame(CLOSE, GOODBYE))
            .bytes(7),
        open("a ping is answered", "/ws/echo")
            .send(frame(PING, b"?"))
            .bytes(3)
            .send(frame(CLOSE, GOODBYE))
            .bytes(7),
        open("frames one after another", "/ws/echo")
            .send([frame(TEXT, b"one"), frame(TEXT, b"two"), frame(PING, b"3")].concat())
            .bytes(13)
            .send(frame(CLOSE, GOODBYE))
            .bytes(7),
        open("a frame in pieces", "/ws/echo")
            .send_slowly(frame(TEXT, b"in pieces").chunks(4).map(<[u8]>::to_vec))
            .bytes(11)
            .send(frame(CLOSE, b""))
            .bytes(2),
        open("the peer just leaves", "/ws/echo")
            .send(frame(TEXT, b"hello"))
            .bytes(7)
            .half_close(),
        open("a frame that is not masked", "/ws/echo")
            .send(b"\x81\x05hello".to_vec())
            .half_close(),
        Case::new("frames along with the handshake")
            .send([handshake("/ws/echo").bytes(), frame(TEXT, b"early")].concat())
            .response()
            .bytes(7)
            .send(frame(CLOSE, GOODBYE))
            .bytes(7),
        Case::of(handshake("/ws/talks-first").header("Sec-WebSocket-Protocol", "v2, superchat"))
            .bytes(11)
            .says("sec-websocket-protocol: superchat")
            .says("welcome"),
        open("continuations are joined", "/ws/whole")
            .send(frame(TEXT_BEGINS, b"abc"))
            .send(frame(CONTINUES, b"def"))
            .send(frame(ENDS, b"g"))
            .bytes(10)
            .half_close(),
        Case::new("a request before the handshake")
            .exchange(&Request::get("/probe"))
            .exchange(&handshake("/ws/echo"))
            .send(frame(TEXT, b"hello"))
            .bytes(7)
            .send(frame(CLOSE, GOODBYE))
            .bytes(7),
    ]
}

/// Handshakes that lead to nothing, and upgrades that nobody knows. Wherever they run, the answer is
/// the same; they may run on the loop as long as nothing is known of their route.
fn declined() -> Vec<Case> {
    let upgrade = |path: &str, to: &str| {
        Request::get(path)
            .header("Connection", "Upgrade")
            .header("Upgrade", to)
    };
    vec![
        Case::of(Request::get("/ws/echo"))
            .named("no handshake at all")
            .status(400),
        Case::of(upgrade("/ws/echo", "websocket")).named("a handshake without a key"),
        Case::of(
            upgrade("/ws/echo", "websocket")
                .header("Sec-WebSocket-Version", "12")
                .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        )
        .named("an old version"),
        Case::of(handshake("/ws/declines")).status(403),
        Case::of(handshake("/nowhere")).status(404),
        Case::of(handshake("/connection/say/hello")).says("| hello"),
        Case::of(
            upgrade("/connection/say/h2c", "h2c").header("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ),
        Case::of(upgrade("/connection/say/foo", "foo/2")),
        Case::of(Request::get("/connection/say/odd").header("Upgrade", "websocket"))
            .named("upgrade without connection"),
    ]
}

#[test]
fn sockets_talk_the_same() {
    compare(app::plain, &upgraded());
}

#[test]
fn sockets_talk_the_same_behind_middleware() {
    compare(app::stacked, &upgraded());
}

#[test]
fn declined_upgrades_are_answered_the_same() {
    compare(app::plain, &declined());
}
