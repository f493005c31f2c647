//! Response bodies that are made while they are sent, and that break off.

use std::{cell::Cell, convert::Infallible, rc::Rc};

use actix_web::{
    Error, HttpResponse, Responder,
    body::SizedStream,
    error, rt,
    web::{self, Bytes, ServiceConfig},
};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::super::{
    app,
    case::Case,
    compare::compare,
    request::{Request, chunk},
};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/stream")
            .route("/events", web::get().to(events))
            .route("/sized", web::get().to(sized))
            .route("/too-short", web::get().to(too_short))
            .route("/too-long", web::get().to(too_long))
            .route("/empty", web::get().to(empty))
            .route("/empty-chunks", web::get().to(empty_chunks))
            .route("/large", web::get().to(large))
            .route("/batches", web::get().to(batches))
            .route("/uneven", web::get().to(uneven))
            .route("/fails-late", web::get().to(fails_late))
            .route("/fails-at-once", web::get().to(fails_at_once))
            .route("/fails-halfway", web::get().to(fails_halfway))
            .route("/sized-fails-halfway", web::get().to(sized_fails_halfway))
            .route("/panics-halfway", web::get().to(panics_halfway))
            .route("/slow", web::get().to(slow))
            .route("/channel", web::get().to(channel))
            .route("/local", web::get().to(local))
            .route("/echo", web::post().to(echo)),
    );
}

fn texts(count: usize) -> impl stream::Stream<Item = Result<Bytes, Error>> {
    stream::iter((0..count).map(|n| Ok(Bytes::from(format!("piece {n}\n")))))
}

async fn events() -> impl Responder {
    let events = stream::unfold(0, |n| async move {
        if n == 3 {
            return None;
        }
        tokio::task::yield_now().await;
        let event = Bytes::from(format!("id: {n}\nevent: tick\ndata: {n}\n\n"));
        Some((Ok::<_, Infallible>(event), n + 1))
    });
    HttpResponse::Ok()
        .insert_header(("content-type", "text/event-stream"))
        .insert_header(("cache-control", "no-cache"))
        .streaming(events)
}

async fn sized() -> HttpResponse {
    HttpResponse::Ok().body(SizedStream::new(80, texts(10)))
}

/// Less than it promises: the client must not mistake that for the end.
async fn too_short() -> HttpResponse {
    HttpResponse::Ok().body(SizedStream::new(100, texts(10)))
}

/// More than it promises.
async fn too_long() -> HttpResponse {
    HttpResponse::Ok().body(SizedStream::new(20, texts(10)))
}

async fn empty() -> HttpResponse {
    HttpResponse::Ok().streaming(texts(0))
}

async fn empty_chunks() -> HttpResponse {
    let pieces = ["", "a", "", "", "b", ""].map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    HttpResponse::Ok().streaming(stream::iter(pieces))
}

async fn large() -> HttpResponse {
    let pieces = (0..80_u8).map(|n| Ok::<_, Infallible>(Bytes::from(vec![n; 60_000])));
    HttpResponse::Ok().streaming(stream::iter(pieces))
}

/// Pieces of which several make a batch, as a lane sends them, and which none ends with.
fn piece_by_piece(count: u8) -> impl stream::Stream<Item = Result<Bytes, Error>> {
    stream::iter((0..count).map(|n| Ok(Bytes::from(vec![n; 1_000]))))
}

async fn batches() -> HttpResponse {
    HttpResponse::Ok().streaming(piece_by_piece(200))
}

async fn uneven() -> HttpResponse {
    let lengths = (0..90_usize).map(|n| n * n * 37 % 5_000 + usize::from(n % 9 == 0) * 40_000);
    let pieces = lengths.map(|length| Ok::<_, Infallible>(Bytes::from(vec![b'x'; length])));
    HttpResponse::Ok().streaming(stream::iter(pieces))
}

/// Behind whole batches and a begun one.
async fn fails_late() -> HttpResponse {
    HttpResponse::Ok().streaming(piece_by_piece(70).chain(failing(0)))
}

fn failing(after: usize) -> impl stream::Stream<Item = Result<Bytes, Error>> {
    let failure = stream::once(async {
        // Let the pieces before it be sent, however they were gathered.
        tokio::task::yield_now().await;
        Err(error::ErrorInternalServerError("the source is gone"))
    });
    texts(after).chain(failure)
}

async fn fails_at_once() -> HttpResponse {
    HttpResponse::Ok().streaming(failing(0))
}

async fn fails_halfway() -> HttpResponse {
    HttpResponse::Ok().streaming(failing(3))
}

async fn sized_fails_halfway() -> HttpResponse {
    HttpResponse::Ok().body(SizedStream::new(80, failing(3)))
}

async fn panics_halfway() -> HttpResponse {
    let panic = stream::once(async {
        tokio::task::yield_now().await;
        std::panic::resume_unwind(Box::new("the stream panics"))
    });
    HttpResponse::Ok().streaming(texts(3).chain(panic))
}

async fn slow() -> HttpResponse {
    let slow = texts(5).then(|piece| async {
        tokio::task::yield_now().await;
        piece
    });
    HttpResponse::Ok().streaming(slow)
}

/// Fed by a task of its own.
async fn channel() -> HttpResponse {
    let (sender, mut receiver) = mpsc::channel(1);
    rt::spawn(async move {
        for n in 0..5 {
            if sender
                .send(Bytes::from(format!("sent {n}\n")))
                .await
                .is_err()
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    let pieces = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    HttpResponse::Ok().streaming(pieces.map(Ok::<_, Infallible>))
}

/// Holds what is not `Send` across its awaits.
async fn local() -> HttpResponse {
    let seen = Rc::new(Cell::new(0));
    let pieces = stream::unfold(seen, |seen| async move {
        tokio::task::yield_now().await;
        seen.set(seen.get() + 1);
        let piece = Bytes::from(format!("local {}\n", seen.get()));
        (seen.get() <= 4).then_some((Ok::<_, Infallible>(piece), seen))
    });
    HttpResponse::Ok().streaming(pieces)
}

/// Sends back each piece as it comes.
async fn echo(payload: web::Payload) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .streaming(payload)
}

fn cases() -> Vec<Case> {
    let echo = Request::post("/stream/echo");
    vec![
        Case::get("/stream/events").says("[chunked body]"),
        Case::get("/stream/sized").says("[body of declared length 80]"),
        Case::get("/stream/empty").says("[chunked body]"),
        Case::get("/stream/empty-chunks"),
        Case::get("/stream/large").says("[body: 4800000 bytes]"),
        Case::get("/stream/batches").says("[body: 200000 bytes]"),
        Case::get("/stream/uneven"),
        Case::get("/stream/fails-late").says("[cut]"),
        Case::get("/stream/fails-at-once"),
        Case::get("/stream/fails-halfway").says("[cut]"),
        Case::get("/stream/sized-fails-halfway").says("[cut]"),
        Case::get("/stream/slow").says("| piece 4"),
        Case::get("/stream/channel").says("| sent 4"),
        Case::get("/stream/local").says("| local 4"),
        Case::of(Request::new("HEAD", "/stream/sized")),
        Case::of(Request::without_host("GET", "/stream/slow", "HTTP/1.0"))
            .named("a stream for 1.0"),
        Case::of(echo.clone().body("echoed")).says("| echoed"),
        Case::of(echo.clone().chunks([&b"one"[..], b"two", b"three"])).says("| onetwothree"),
        Case::new("each piece comes back before the next is sent")
            .send(echo.clone().chunks([]).head())
            .send(chunk(b"first"))
            .wait_for("first")
            .send(chunk(b"second"))
            .wait_for("second")
            .send("0\r\n\r\n")
            .response()
            .says("| firstsecond"),
        Case::new("an echo in both directions at once")
            .send(echo.clone().body(vec![0; 3_000_000]).head())
            .send_in_background(vec![b'x'; 3_000_000])
            .response()
            .says("[body: 3000000 bytes]"),
        Case::new("an event comes before the next is made")
            .send(Request::get("/stream/events").bytes())
            .wait_for("data: 0")
            .response()
            .says("| data: 2"),
    ]
}

/// Their ends are not those of a well-formed response, so that nothing can follow them.
fn broken() -> Vec<Case> {
    vec![
        Case::get("/stream/too-long"),
        Case::get("/stream/panics-halfway").says("[cut]"),
    ]
}

#[test]
fn streams_come_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn streams_come_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}

#[test]
fn broken_streams_break_the_same() {
    compare(app::plain, &broken());
}
