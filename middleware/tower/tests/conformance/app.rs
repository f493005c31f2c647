//! The app that is served in all modes: handlers that a layer around them might do wrong by.

use std::{
    collections::HashMap, convert::Infallible, io, panic::resume_unwind, sync::Arc, time::Duration,
};

use argon2::{Algorithm, Argon2, Params, Version};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{
        DefaultBodyLimit, Form, Multipart, Path, Query, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{
        AppendHeaders, IntoResponse, Redirect, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{any, get, post},
};
use futures_util::{Stream, StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use offload_tests::work::burn;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{Notify, mpsc},
    task, time,
};

/// Lets a response go on that waits for its client.
pub(crate) type Gate = Arc<Notify>;

type Map = HashMap<String, String>;
type Piece = io::Result<Bytes>;

pub(crate) fn app(gate: &Gate) -> Router {
    let [paced, broken, panics] = [(); 3].map(|()| Arc::clone(gate));
    let nested = Router::new()
        .route("/here", get(|| async { "nested" }).post(|| async { "to" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "none is nested") });
    let limited = post(|body: Bytes| async { body }).layer(DefaultBodyLimit::max(1024));
    Router::new()
        .route("/light", get(|| async { "light" }))
        .route("/json", post(async |Json(body): Json<Value>| Json(body)))
        .route("/argon2/{password}", get(hash))
        .route("/path/{name}/{number}", get(extracted))
        .route("/form", post(form))
        .route("/paced", get(async || Body::from_stream(steps(paced, 3))))
        .route(
            "/broken",
            get(async || breaks(broken, || Err(io::Error::other("broken")))),
        )
        .route("/panics-in-body", get(async || breaks(panics, panic)))
        .route(
            "/empty-stream",
            get(async || Body::from_stream(stream::empty::<Piece>())),
        )
        .route("/late-end", get(late_end))
        .route("/sized/{length}", get(sized))
        .route("/fails", get(fails))
        .route(
            "/closes",
            get(async || ([(header::CONNECTION, "close")], "closes")),
        )
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/trailers", get(trailers))
        .route("/sse", get(events))
        .route(
            "/ws",
            any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
        )
        .route("/multipart", post(multipart))
        .nest("/nested", nested)
        .route(
            "/redirect",
            get(async || Redirect::temporary("/light?from=here")),
        )
        .route("/cookies", get(cookies))
        .route("/refused", get(refused))
        .route("/large", get(async || vec![b'x'; 5 << 20]))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route(
            "/unchanged",
            get(async || (StatusCode::NOT_MODIFIED, [(header::ETAG, "\"tag\"")])),
        )
        .route("/echo", post(async |body: Body| body))
        .route("/limited", limited)
        .route("/unread", post(async || "unread"))
        .route("/runtime", get(runtime))
        .route("/turns/{handler}/{piece}", get(turns))
        .route("/panics", get(async || panic::<()>()))
        .route(
            "/panics-late",
            get(async || {
                task::yield_now().await;
                panic::<()>()
            }),
        )
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is none") })
        .layer(middleware::map_response(stamp))
}

async fn stamp(response: Response) -> impl IntoResponse {
    ([("x-inner", "layer")], response)
}

async fn hash(Path(password): Path<String>) -> String {
    let params = Params::new(64, 1, 1, None).unwrap();
    let mut hash = [0; 16];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), b"some salt", &mut hash)
        .unwrap();
    format!("{hash:02x?}")
}

async fn extracted(
    Path((name, number)): Path<(String, u8)>,
    Query(query): Query<Map>,
    headers: HeaderMap,
) -> String {
    let asked: Vec<_> = headers.get_all("x-asked").iter().collect();
    format!("{name} {number} {query:?} {asked:?}")
}

async fn form(Form(form): Form<Map>) -> String {
    format!("{form:?}")
}

/// Pieces through a channel, from a task. Each but the first waits for the gate: the client has seen the one before.
fn steps(gate: Gate, count: usize) -> impl Stream<Item = Piece> {
    let (sender, receiver) = mpsc::channel(1);
    task::spawn(async move {
        for step in 0..count {
            if step > 0 {
                gate.notified().await;
            }
            if sender.send(Ok(format!("<{step}>").into())).await.is_err() {
                break;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    })
}

/// One piece, and then what ends it before its time.
fn breaks(gate: Gate, end: fn() -> Piece) -> Body {
    let pieces = steps(gate, 2).enumerate();
    Body::from_stream(pieces.map(move |(index, piece)| if index == 0 { piece } else { end() }))
}

/// Without the hook, which would print.
fn panic<T>() -> T {
    resume_unwind(Box::new("as it is to"))
}

/// Nothing, but that is known only later, by a timer that its body makes.
async fn late_end() -> Body {
    let late = async || time::sleep(Duration::from_millis(1)).await;
    Body::from_stream(stream::once(late()).filter_map(async |()| None::<Piece>))
}

/// Pieces, some of them empty, whose length the handler says, rightly or not.
async fn sized(Path(length): Path<usize>) -> impl IntoResponse {
    let pieces = stream::iter(["", "one", "", "two"].map(Ok::<_, Infallible>));
    (
        [(header::CONTENT_LENGTH, length.to_string())],
        Body::from_stream(pieces),
    )
}

/// A body that breaks before it has said anything.
async fn fails() -> Body {
    Body::from_stream(stream::iter([Piece::Err(io::Error::other("at once"))]))
}

async fn trailers() -> impl IntoResponse {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("3"));
    let frames = [Frame::data(Bytes::from("data")), Frame::trailers(trailers)];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    ([(header::TRAILER, "x-sum")], Body::new(body))
}

async fn events() -> impl IntoResponse {
    let events = ["one", "two\nlines"]
        .map(|data| Ok::<_, Infallible>(Event::default().event("news").id("7").data(data)));
    Sse::new(stream::iter(events)).keep_alive(KeepAlive::new())
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            socket.send(message).await.unwrap();
        }
    }
}

async fn multipart(mut form: Multipart) -> Result<String, Response> {
    let mut said = String::new();
    while let Some(field) = form
        .next_field()
        .await
        .map_err(IntoResponse::into_response)?
    {
        let head = format!("{:?} {:?} ", field.name(), field.file_name());
        let data = field.bytes().await.map_err(IntoResponse::into_response)?;
        said.push_str(&format!("{head}{}\n", data.len()));
    }
    Ok(said)
}

async fn cookies() -> impl IntoResponse {
    let cookies = ["a=1", "b=2; HttpOnly", "a=3"].map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(cookies), "cookies")
}

async fn refused() -> Result<(), impl IntoResponse> {
    let why = AppendHeaders([("x-why", "b"), ("x-other", "c"), ("x-why", "a")]);
    Err((StatusCode::CONFLICT, why, "refused"))
}

/// All that handlers want of the runtime around them.
async fn runtime() -> String {
    let due = time::Instant::now() + Duration::from_millis(1);
    time::sleep_until(due).await;
    let early = time::Instant::now() < due;
    let ended = time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
    let spawned = tokio::spawn(async {
        task::yield_now().await;
        1
    })
    .await
    .unwrap();
    let blocking = task::spawn_blocking(|| 2).await.unwrap();
    let by_handle = Handle::current().spawn(async { 3 }).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(addr), listener.accept());
    let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
    client.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    server.read_exact(&mut heard).await.unwrap();
    format!(
        "{early} {} {spawned} {blocking} {by_handle} {heard:?}",
        ended.is_err()
    )
}

/// Computes for so many milliseconds before and after its await, and for each piece of its body.
async fn turns(Path(costs): Path<(u64, u64)>) -> Body {
    let [handler, piece] = [costs.0, costs.1].map(Duration::from_millis);
    burn(handler);
    task::yield_now().await;
    burn(handler);
    let pieces = stream::iter(0..4).then(move |step| async move {
        task::yield_now().await;
        burn(piece);
        Ok::<_, Infallible>(format!("<{step}>"))
    });
    Body::from_stream(pieces)
}
