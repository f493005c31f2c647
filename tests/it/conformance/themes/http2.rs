//! HTTP/2 without TLS, where several requests share a connection.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use actix_web::web::Bytes;
use h2::client::{self, SendRequest};
use http::{HeaderMap, Request, Response};
use offload_tests::{
    connection::{Connection, DEADLINE},
    server::{Protocol, TestServer},
};
use tokio::net::TcpStream;

use super::super::{app, modes::Mode, request, transcript};

/// What a client of HTTP/2 sees of one response.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// By name; the values of one name in their order.
    headers: BTreeMap<String, Vec<String>>,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    Complete(Vec<u8>),
    /// The stream was reset.
    Reset(Vec<u8>),
}

/// One request: the method, the path, headers, and the body in pieces.
struct Ask {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<Vec<u8>>,
}

fn get(path: &'static str) -> Ask {
    ask("GET", path)
}

fn ask(method: &'static str, path: &'static str) -> Ask {
    Ask {
        method,
        path,
        headers: &[],
        body: Vec::new(),
    }
}

impl Ask {
    fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    fn body(mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.body = pieces.into_iter().collect();
        self
    }
}

fn asks() -> Vec<Ask> {
    let json = [("content-type", "application/json")].as_slice();
    let form = [("content-type", "application/x-www-form-urlencoded")].as_slice();
    let noise = request::noise(300_000);
    vec![
        get("/connection/say/hello"),
        get("/request/r/all/7/a%20b?x=1"),
        get("/request/r/urls"),
        get("/response/set-cookies"),
        get("/response/noise/1000000"),
        get("/response/own-body"),
        get("/response/sized"),
        get("/response/status/204"),
        get("/response/not-modified"),
        get("/response/force-close"),
        get("/response/headers"),
        get("/stream/events"),
        get("/stream/slow"),
        get("/stream/large"),
        get("/stream/fails-halfway"),
        get("/runtime/sleep/5"),
        get("/runtime/block"),
        get("/runtime/spawn-local"),
        get("/file").headers(&[("range", "bytes=5-20")]),
        get("/middleware/compressed/text/1000").headers(&[("accept-encoding", "gzip")]),
        get("/failure/plain"),
        get("/nowhere"),
        ask("HEAD", "/response/sized"),
        ask("OPTIONS", "/routing/options"),
        ask("DELETE", "/routing/only-get"),
        ask("POST", "/extract/json")
            .headers(json)
            .body([br#"{"name":"Ada","#.to_vec(), br#""age":36}"#.to_vec()]),
        ask("POST", "/extract/json")
            .headers(json)
            .body([b"{".to_vec()]),
        ask("POST", "/extract/form")
            .headers(form)
            .body([b"name=Ada&age=36".to_vec()]),
        ask("POST", "/upload/sum").body(noise.chunks(10_000).map(<[u8]>::to_vec)),
        ask("POST", "/upload/collect").body([request::noise(300_000)]),
        ask("POST", "/upload/limited").body([request::noise(101)]),
        ask("POST", "/upload/ignored").body([b"small".to_vec()]),
        // Lets the next one go.
        get("/connection/open"),
        ask("POST", "/upload/late").body([b"small".to_vec()]),
        ask("POST", "/stream/echo").body(noise.chunks(50_000).map(<[u8]>::to_vec)),
    ]
}

async fn send(client: SendRequest<Bytes>, addr: SocketAddr, ask: &Ask) -> Answer {
    let mut client = client.ready().await.expect("room for a request");
    let mut request =
        Request::builder()
            .method(ask.method)
            .uri(format!("http://{}{}", request::HOST, ask.path));
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("a good request");
    let (response, mut stream) = client
        .send_request(request, ask.body.is_empty())
        .expect("sent");
    let pieces = ask.body.clone();
    // A server that wants no more of a body says so by a reset, and then the rest is not sent.
    let sending = async move {
        let last = pieces.len().saturating_sub(1);
        for (n, piece) in pieces.into_iter().enumerate() {
            let mut piece = Bytes::from(piece);
            while !piece.is_empty() {
                stream.reserve_capacity(piece.len());
                let Some(Ok(room)) =
                    futures_util::future::poll_fn(|cx| stream.poll_capacity(cx)).await
                else {
                    return;
                };
                let part = piece.split_to(room.min(piece.len()));
                let end = n == last && piece.is_empty();
                if stream.send_data(part, end).is_err() {
                    return;
                }
            }
        }
    };
    let receiving = async { read(response.await.expect("a response"), addr).await };
    let (answer, ()) = futures_util::future::join(receiving, sending).await;
    answer
}

async fn read(response: Response<h2::RecvStream>, addr: SocketAddr) -> Answer {
    let (head, mut stream) = response.into_parts();
    let mut bytes = Vec::new();
    let body = loop {
        match stream.data().await {
            None => break Body::Complete(bytes),
            Some(Err(_)) => break Body::Reset(bytes),
            Some(Ok(data)) => {
                bytes.extend_from_slice(&data);
                let freed = stream.flow_control().release_capacity(data.len());
                freed.expect("no more than came");
            }
        }
    };
    Answer {
        status: head.status.as_u16(),
        headers: headers(&head.headers, addr),
        body,
    }
}

/// Masked as in [`transcript`].
fn headers(headers: &HeaderMap, addr: SocketAddr) -> BTreeMap<String, Vec<String>> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let line = [name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
        if transcript::placement(&line).is_some() {
            continue;
        }
        let value = match name.as_str() {
            "date" => "(masked)".to_owned(),
            _ => value.as_bytes().escape_ascii().to_string(),
        };
        let value = value.replace(&addr.to_string(), "(address)");
        named.entry(name.to_string()).or_default().push(value);
    }
    named
}

/// All requests, twice each: one after the other, and all at once.
fn visit(server: &TestServer) -> Vec<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let addr = server.addr();
    let visit = async {
        let socket = TcpStream::connect(addr).await.expect("a connection");
        socket.set_nodelay(true).expect("a socket of TCP");
        // Wide windows: narrow ones only make many round trips of one large body.
        let handshake = client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 22)
            .handshake(socket);
        let (client, connection) = handshake.await.expect("a handshake");
        let driver = tokio::spawn(async move {
            // It ends with the client, or with an error that the requests report too.
            let _ended = connection.await;
        });
        let asks = asks();
        let mut answers = Vec::new();
        for ask in &asks {
            answers.push(send(client.clone(), addr, ask).await);
        }
        let at_once = asks.iter().map(|ask| send(client.clone(), addr, ask));
        answers.extend(futures_util::future::join_all(at_once).await);
        drop(client);
        driver.await.expect("no panic");
        answers
    };
    runtime.block_on(async {
        let deadline = DEADLINE + Duration::from_secs(30);
        tokio::time::timeout(deadline, visit)
            .await
            .expect("no hang")
    })
}

fn serve(mode: Mode) -> TestServer {
    mode.serve_by(
        TestServer::builder().protocol(Protocol::AutoH2c),
        app::plain,
    )
}

#[test]
fn http2_is_answered_the_same() {
    let bare = serve(Mode::Bare);
    let expected = visit(&bare);
    check(Mode::Bare, &visit(&bare), &expected);
    drop(bare);
    for mode in Mode::WITH_PLUGIN {
        let server = serve(mode);
        for _ in 0..mode.rounds().div_ceil(2) {
            check(mode, &visit(&server), &expected);
        }
    }
}

fn check(mode: Mode, came: &[Answer], expected: &[Answer]) {
    let asks = asks();
    for (n, (came, expected)) in came.iter().zip(expected).enumerate() {
        let Ask { method, path, .. } = asks[n % asks.len()];
        let same = came == expected;
        assert!(same, "{method} {path} ({mode:?}):\n- {expected}\n+ {came}");
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, bytes) = match &self.body {
            Body::Complete(bytes) => ("complete", bytes),
            Body::Reset(bytes) => ("reset", bytes),
        };
        let shown = bytes[..bytes.len().min(200)].escape_ascii();
        write!(
            f,
            "{} {:?} {kind} {} {shown}",
            self.status,
            self.headers,
            bytes.len()
        )
    }
}

/// A server that knows both still serves HTTP/1 the same.
#[test]
fn http1_beside_http2_is_answered_the_same() {
    let ask = |server: &TestServer| {
        let mut connection = Connection::open(server.addr()).expect("a connection");
        let request = request::Request::get("/connection/version").header("Connection", "close");
        connection.send(&request.bytes()).expect("sent");
        connection.read_response().expect("a response").body
    };
    let expected = ask(&serve(Mode::Bare));
    for mode in Mode::WITH_PLUGIN {
        assert_eq!(ask(&serve(mode)), expected, "{mode:?}");
    }
}
