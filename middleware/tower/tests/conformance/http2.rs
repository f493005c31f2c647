//! The same exchanges over HTTP/2, a few at a time on one connection.

use std::{fmt::Write, net::SocketAddr, time::Instant};

use axum::{body::Bytes, http};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use offload_tests::connection::DEADLINE;
use tokio::{net::TcpStream, runtime, time};
use tower_offload::Mode;

use crate::{
    cases::exchanges,
    compare::{MODES, difference, is_shown},
    exchange::Exchange,
    server::{Runtime, Server},
};

/// So many streams are open at once.
const STREAMS: usize = 4;

#[test]
fn http2_answers_as_the_bare_app() {
    let exchanges = exchanges();
    let bare = Server::start(None, Runtime::TwoWorkers);
    let expected = ask(&exchanges, &bare);
    let check = |mode: &str, server: &Server| {
        let answers = ask(&exchanges, server);
        for (exchange, (expected, came)) in exchanges.iter().zip(expected.iter().zip(&answers)) {
            let line = exchange.line;
            assert!(
                expected == came,
                "{line} ({mode}):\n{}",
                difference(expected, came)
            );
        }
    };
    // What differs from itself would prove nothing.
    check("bare", &bare);
    for mode in MODES {
        let server = Server::start(Some(mode), Runtime::TwoWorkers);
        let since = Instant::now();
        loop {
            check(&mode.to_string(), &server);
            if is_shown(mode, &server, since) {
                break;
            }
        }
    }
}

#[test]
fn a_panic_ends_its_stream_and_no_other() {
    let exchange = |line, status| Exchange {
        line,
        headers: &[],
        body: Vec::new(),
        status,
        says: "",
    };
    let exchanges = [
        exchange("GET /panics", 500),
        exchange("GET /panics-late", 500),
        exchange("GET /light", 200),
    ];
    for mode in MODES.into_iter().filter(|mode| *mode != Mode::Off) {
        let server = Server::start(Some(mode), Runtime::TwoWorkers);
        for (exchange, came) in exchanges.iter().zip(ask(&exchanges, &server)) {
            let came = String::from_utf8(came).unwrap();
            assert!(
                came.starts_with(&exchange.status.to_string()),
                "{mode}: {came}"
            );
        }
    }
}

/// All that a client sees of each answer, without the time.
fn ask(exchanges: &[Exchange], server: &Server) -> Vec<Vec<u8>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answers = async {
        let sender = connect(server.addr()).await;
        let asked = exchanges
            .iter()
            .map(|exchange| answer(sender.clone(), exchange));
        stream::iter(asked).buffered(STREAMS).collect().await
    };
    runtime.block_on(async { time::timeout(DEADLINE, answers).await.expect("no hang") })
}

async fn connect(addr: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

async fn answer(mut sender: SendRequest<Full<Bytes>>, exchange: &Exchange) -> Vec<u8> {
    let response = sender.send_request(request(exchange)).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let mut seen = format!("{} {:?}\n", head.status, head.version);
    let trailers = body.trailers().into_iter().flatten();
    for (name, value) in head.headers.iter().chain(trailers) {
        // Its time is another one each time.
        let value = if name == http::header::DATE {
            &http::HeaderValue::from_static("now")
        } else {
            value
        };
        writeln!(seen, "{name}: {value:?}").unwrap();
    }
    [seen.as_bytes(), &body.to_bytes()].concat()
}

fn request(exchange: &Exchange) -> http::Request<Full<Bytes>> {
    let (method, target) = exchange.line.split_once(' ').unwrap();
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://test{target}"));
    let lines = exchange
        .headers
        .iter()
        .map(|line| line.split_once(": ").unwrap());
    lines
        .fold(request, |request, (name, value)| {
            request.header(name, value)
        })
        .body(Full::from(exchange.body.clone()))
        .unwrap()
}
