//! Over HTTP/2, where actix ends no request with its stream or its connection.

use actix_web::web::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};

use super::*;

/// Several streams on one connection, and the task that drives it.
struct Streams {
    sender: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<()>,
}

impl Streams {
    async fn open(addr: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(addr)
            .await
            .expect("connects");
        // Or else a reset waits for the acknowledgement of the one before.
        stream.set_nodelay(true).expect("a socket");
        let (sender, connection) = client::handshake(stream).await.expect("speaks HTTP/2");
        let connection = tokio::spawn(async move {
            // It ends with an error where a test resets what it has.
            let _ended = connection.await;
        });
        Self { sender, connection }
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<Bytes>) -> ResponseFuture {
        let mut sender = self
            .sender
            .clone()
            .ready()
            .await
            .expect("room for a stream");
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://test{path}"))
            .body(())
            .expect("a request");
        let (response, mut stream) = sender.send_request(request, body.is_none()).expect("sends");
        if let Some(body) = body {
            stream.send_data(body, true).expect("sends");
        }
        response
    }
}

/// Queues requests without and with a body.
fn queue(app: &Gated, runtime: &Runtime) -> (Streams, Vec<ResponseFuture>) {
    let (mut streams, mut responses) = (runtime.block_on(Streams::open(app.addr())), Vec::new());
    for index in 0..CLIENTS {
        let (method, body) = match index % 2 {
            0 => ("GET", None),
            _ => ("POST", Some(Bytes::from_static(b"body"))),
        };
        responses.push(runtime.block_on(streams.ask(method, "/job", body)));
    }
    app.wait_for_queued(CLIENTS);
    (streams, responses)
}

#[test]
fn a_reset_of_a_stream_takes_what_is_queued() {
    let app = Gated::start(Protocol::AutoH2c, Callback::Without, HalfClosed::Allowed);
    let held = app.hold();
    let runtime = runtime();
    let (streams, responses) = queue(&app, &runtime);
    // Dropping all handles of a stream resets it.
    drop(responses);
    app.wait_for_queued(0);
    drop(streams);
    assert_eq!(app.finish(held), 0);
}

#[test]
fn the_end_of_a_connection_takes_what_is_queued() {
    for callback in [Callback::Without, Callback::With] {
        let app = Gated::start(Protocol::AutoH2c, callback, HalfClosed::Allowed);
        let held = app.hold();
        let runtime = runtime();
        let (streams, _responses) = queue(&app, &runtime);
        streams.connection.abort();
        app.wait_for_queued(0);
        assert_eq!(app.finish(held), 0);
    }
}

#[test]
fn a_stream_whose_client_waits_is_answered() {
    let app = Gated::start(Protocol::AutoH2c, Callback::With, HalfClosed::Allowed);
    let held = app.hold();
    let runtime = runtime();
    let (_streams, responses) = queue(&app, &runtime);
    app.gate.open();
    for response in responses {
        let response = runtime.block_on(response).expect("answers");
        assert_eq!(response.status(), 200);
    }
    assert_eq!(app.finish(held), CLIENTS);
}
