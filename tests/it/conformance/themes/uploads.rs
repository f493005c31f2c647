//! Request bodies: how they come, how much of them is wanted, and what is left of them.

use actix_web::{
    Error, HttpRequest, HttpResponse, Result,
    dev::Decompress,
    error::PayloadError,
    web::{self, ServiceConfig},
};
use futures_util::StreamExt;

use super::{
    super::{
        app,
        case::Case,
        compare::compare,
        request::{Request, chunk, noise},
    },
    connections,
};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/upload")
            .route("/sum", web::post().to(sum))
            .route(
                "/collect",
                web::post().to(|body: web::Bytes| async move { body.len().to_string() }),
            )
            .service(
                web::resource("/limited")
                    .app_data(web::PayloadConfig::new(100))
                    .route(web::post().to(|body: web::Bytes| async move { body })),
            )
            .service(
                web::resource("/typed")
                    .app_data(web::PayloadConfig::default().mimetype(actix_web::mime::TEXT_PLAIN))
                    .route(web::post().to(|body: String| async move { body })),
            )
            .route("/ignored", web::post().to(|| async { "not read" }))
            .route("/ignored-empty", web::post().to(HttpResponse::NoContent))
            .route("/ignored-late", web::post().to(ignored_late))
            .route("/held", web::post().to(held))
            .route("/first", web::post().to(first_chunk))
            .route("/bounded", web::post().to(bounded))
            .route("/late", web::post().to(late))
            .route("/encoded", web::post().to(encoded)),
    );
}

/// Length and sum of all bytes, and how it ended.
async fn sum(mut payload: web::Payload) -> String {
    let (mut length, mut sum) = (0, 0_u64);
    let ended = loop {
        match payload.next().await {
            Some(Ok(chunk)) => {
                length += chunk.len();
                sum += chunk.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            }
            Some(Err(PayloadError::Incomplete(_))) => break "incomplete".to_owned(),
            Some(Err(err)) => break err.to_string(),
            None => break "end".to_owned(),
        }
    };
    format!("{length} bytes {sum} {ended}")
}

/// Waits until the client lets it go, which it may have done already; but for certain not only in its first poll, because a
/// handler that ends in that is another case.
async fn until_let_go(request: &HttpRequest) {
    tokio::task::yield_now().await;
    connections::opened(request).await;
}

async fn ignored_late(request: HttpRequest) -> &'static str {
    until_let_go(&request).await;
    "not read, late"
}

/// Holds the body without reading it.
async fn held(request: HttpRequest, payload: web::Payload) -> &'static str {
    until_let_go(&request).await;
    drop(payload);
    "held"
}

async fn first_chunk(mut payload: web::Payload) -> Result<String> {
    let first = payload.next().await.transpose()?;
    let first = first.and_then(|chunk| chunk.first().copied());
    Ok(format!("begins with {first:?}"))
}

async fn bounded(payload: web::Payload) -> Result<String, Error> {
    match payload.to_bytes_limited(1000).await {
        Ok(bytes) => Ok(bytes?.len().to_string()),
        Err(_) => Err(actix_web::error::ErrorPayloadTooLarge("more than wanted")),
    }
}

/// Begins to read when all has been there for a while.
async fn late(request: HttpRequest, payload: web::Payload) -> Result<String> {
    until_let_go(&request).await;
    let body = payload.to_bytes().await?;
    Ok(body.len().to_string())
}

/// Decodes by hand what extractors decode by themselves.
async fn encoded(request: actix_web::HttpRequest, payload: web::Payload) -> Result<String> {
    let mut decoded = Decompress::from_headers(payload, request.headers());
    let mut text = Vec::new();
    while let Some(chunk) = decoded.next().await {
        text.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `hello` forty times, compressed by gzip.
const HELLO_GZ: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xcf,
    0x18, 0xfa, 0x04, 0x00, 0xe1, 0x50, 0xd3, 0x00, 0xc8, 0x00, 0x00, 0x00,
];

fn cases() -> Vec<Case> {
    let post = |path: &str| Request::post(path);
    let big = noise(5_000_000);
    let pieces: Vec<_> = noise(3000).chunks(500).map(chunk).collect();
    let sum = post("/upload/sum");
    vec![
        Case::of(sum.clone().body(noise(10))).says("10 bytes"),
        Case::of(sum.clone().body(noise(40_000))).says("40000 bytes"),
        Case::of(sum.clone().chunks(noise(100_000).chunks(999))).says("100000 bytes"),
        Case::new("five million bytes")
            .send(sum.clone().body(big.clone()).head())
            .send_in_background(big.clone())
            .response()
            .says("5000000 bytes"),
        Case::new("five million bytes in chunks")
            .send(sum.clone().chunks([]).head())
            .send_in_background(super::super::request::chunked(big.chunks(60_000)))
            .response()
            .says("5000000 bytes"),
        Case::new("a chunked upload that comes slowly")
            .send_slowly([sum.clone().chunks([]).head()])
            .send_slowly(pieces)
            .send("0\r\n\r\n")
            .response()
            .says("3000 bytes"),
        Case::new("an upload that comes byte by byte")
            .send_slowly(
                sum.clone()
                    .body("tiny")
                    .bytes()
                    .chunks(17)
                    .map(<[u8]>::to_vec),
            )
            .response()
            .says("4 bytes"),
        Case::new("chunks with extensions and trailers")
            .send(sum.clone().chunks([]).head())
            .send("5;name=value\r\nhello\r\n0\r\nX-Trailer: yes\r\n\r\n")
            .response(),
        Case::new("an upload that is cut off")
            .send(sum.clone().body(noise(1000)).head())
            .send("only this")
            .let_server_see()
            .half_close()
            .response(),
        Case::new("a chunked upload that is cut off")
            .send(sum.clone().chunks([]).head())
            .send(chunk(b"only this"))
            .let_server_see()
            .half_close()
            .response(),
        Case::new("half closed after the request")
            .send(sum.clone().body("all of it").bytes())
            .half_close()
            .response()
            .says("9 bytes"),
        Case::new("continue")
            .send(
                sum.clone()
                    .header("Expect", "100-continue")
                    .body("body")
                    .head(),
            )
            .interim()
            .send("body")
            .response()
            .says("HTTP/1.1 100 Continue"),
        Case::new("continue, in chunks")
            .send(
                sum.clone()
                    .header("Expect", "100-continue")
                    .chunks([])
                    .head(),
            )
            .interim()
            .send_slowly([chunk(b"one"), chunk(b"two")])
            .send("0\r\n\r\n")
            .response()
            .says("6 bytes"),
        Case::new("continue, without waiting")
            .send(
                sum.clone()
                    .header("Expect", "100-continue")
                    .body("body")
                    .bytes(),
            )
            .response()
            .says("4 bytes"),
        Case::of(post("/upload/collect").body(noise(200_000))).says("| 200000"),
        Case::new("over the default limit")
            .send(post("/upload/collect").body(big.clone()).head())
            .send_in_background(big.clone())
            .response()
            .status(413),
        Case::of(post("/upload/limited").body(noise(100))).status(200),
        Case::of(post("/upload/limited").body(noise(101))).named("over the limit by length"),
        Case::of(post("/upload/limited").chunks(noise(300).chunks(50)))
            .named("over the limit by chunks"),
        Case::of(
            post("/upload/typed")
                .header("Content-Type", "text/plain")
                .body("text"),
        )
        .status(200),
        Case::of(
            post("/upload/typed")
                .header("Content-Type", "text/html")
                .body("text"),
        ),
        let_go_late(&post("/upload/late").body(noise(20_000))).says("| 20000"),
        Case::of(post("/upload/bounded").body(noise(1000))).says("| 1000"),
        Case::of(post("/upload/bounded").body(noise(1001))).named("over its own bound"),
        Case::of(
            post("/upload/encoded")
                .header("Content-Encoding", "gzip")
                .body("no gzip"),
        )
        .named("a broken encoding"),
        Case::of(
            post("/upload/encoded")
                .header("Content-Encoding", "identity")
                .body("plain"),
        )
        .says("| plain"),
        Case::of(
            post("/upload/encoded")
                .header("Content-Encoding", "gzip")
                .body(HELLO_GZ),
        ),
        Case::of(
            post("/upload/collect")
                .header("Content-Encoding", "gzip")
                .body(HELLO_GZ),
        )
        .named("decoded by the extractor"),
    ]
}

/// Lets the handler of what was sent go, once the server has seen that.
fn let_go(case: Case) -> Case {
    case.let_server_see()
        .elsewhere(Request::get("/connection/open"))
}

/// A request whose handler is let go when all of it has been there for a while, and its response.
fn let_go_late(request: &Request) -> Case {
    let_go(Case::new(request.name()).send(request.bytes())).response()
}

/// Bodies that nobody reads to their end, which decides over the connection.
fn unread() -> Vec<Case> {
    let big = noise(2_000_000);
    let sent = |name: &str, path: &str| {
        Case::new(name)
            .send(Request::post(path).body(big.clone()).head())
            .send_in_background(big.clone())
    };
    let unread = |name: &str, path: &str| sent(name, path).response();
    let unread_late = |name: &str, path: &str| let_go(sent(name, path)).response();
    let sent_in_chunks = |name: &str, path: &str| {
        Case::new(name)
            .send(Request::post(path).chunks([]).head())
            .send_in_background(super::super::request::chunked(big.chunks(10_000)))
    };
    let answered = |case: Case| {
        case.response()
            // Behind a large chunked body that was left unread, actix may forget to read on if the
            // handler has awaited, so that nothing more is answered here, with or without the plugin.
            .leave()
    };
    let chunked = |name: &str, path: &str| answered(sent_in_chunks(name, path));
    let chunked_late = |name: &str, path: &str| answered(let_go(sent_in_chunks(name, path)));
    vec![
        Case::of(Request::post("/upload/ignored"))
            .named("no body to ignore")
            .says("not read"),
        Case::of(Request::post("/upload/ignored").body("")).named("an empty body is ignored"),
        Case::of(Request::post("/upload/ignored").body("small")).named("a small body is ignored"),
        Case::of(Request::post("/upload/ignored-empty").body("small"))
            .named("a small body is ignored without a word"),
        Case::of(Request::post("/upload/ignored").chunks([&b"small"[..]]))
            .named("a small chunked body is ignored"),
        let_go_late(&Request::post("/upload/ignored-late").body("small"))
            .named("a small body is ignored late"),
        let_go_late(&Request::post("/upload/held").body("small")).named("a small body is held"),
        Case::of(Request::post("/upload/first").body("small")).says("begins with Some(115)"),
        unread("a big body is ignored", "/upload/ignored"),
        unread_late("a big body is ignored late", "/upload/ignored-late"),
        unread_late("a big body is held", "/upload/held"),
        unread("a big body is begun", "/upload/first"),
        chunked("a big chunked body is ignored", "/upload/ignored"),
        chunked_late("a big chunked body is ignored late", "/upload/ignored-late"),
        chunked("a big chunked body is begun", "/upload/first"),
    ]
}

#[test]
fn uploads_are_read_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn uploads_are_read_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}

#[test]
fn unread_bodies_leave_the_same() {
    compare(app::plain, &unread());
}
