//! What a handler can answer.

use std::{convert::Infallible, fmt};

use actix_web::{
    CustomizeResponder, Either, HttpRequest, HttpResponse, HttpResponseBuilder, Responder, Result,
    body::{BodySize, BoxBody, MessageBody, None as NoBody, SizedStream},
    cookie::{Cookie, SameSite},
    http::{StatusCode, header},
    web::{self, ServiceConfig},
};
use futures_util::stream;

use super::super::{
    app,
    case::Case,
    compare::compare,
    request::{Request, noise},
};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/response")
            .route("/set-cookies", web::get().to(set_cookies))
            .route("/reason", web::get().to(reason))
            .route("/force-close", web::get().to(force_close))
            .route("/keep-alive", web::get().to(keep_alive))
            .route("/no-chunking", web::get().to(no_chunking))
            .route("/camel-case", web::get().to(camel_case))
            .route("/camel-case-stream", web::get().to(camel_case_stream))
            .route("/status/{code}", web::to(status))
            .route("/status-with-body/{code}", web::to(status_with_body))
            .route("/not-modified", web::to(not_modified))
            .route("/none", web::to(none))
            .route("/empty", web::to(empty))
            .route("/unit", web::to(unit))
            .route("/sized", web::to(sized))
            .route("/sized-empty", web::to(sized_empty))
            .route("/own-length", web::to(own_length))
            .route("/own-date", web::get().to(own_date))
            .route("/server-timing", web::get().to(server_timing))
            .route("/headers", web::get().to(headers))
            .route("/upgrade-offer", web::get().to(upgrade_offer))
            .route("/customized", web::get().to(customized))
            .route("/either", web::get().to(either))
            .route("/option", web::get().to(option))
            .route("/result", web::get().to(result))
            .route("/noise/{length}", web::to(bytes_of))
            .route("/own-body", web::to(own_body))
            .route("/version", web::get().to(version))
            .service(web::redirect("/redirect", "/elsewhere"))
            .service(web::redirect("/redirect-permanent", "/elsewhere?x=1").permanent())
            .service(web::redirect("/redirect-other/{x}", "../see").see_other())
            .route("/redirect-to", web::get().to(redirect_to)),
    );
}

async fn set_cookies() -> HttpResponse {
    HttpResponse::Ok()
        .cookie(Cookie::new("a", "1"))
        .cookie(
            Cookie::build("b", "2")
                .path("/response")
                .secure(true)
                .http_only(true)
                .same_site(SameSite::Strict)
                .finish(),
        )
        .append_header((header::SET_COOKIE, "c=3; Max-Age=0"))
        .append_header((header::SET_COOKIE, "a=again"))
        .body("cookies")
}

async fn reason() -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(299).expect("a status"))
        .reason("Quite All Right")
        .body("odd")
}

async fn force_close() -> HttpResponse {
    HttpResponse::Ok().force_close().body("the last")
}

async fn keep_alive() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONNECTION, "keep-alive"))
        .keep_alive()
        .body("stay")
}

fn pieces() -> impl stream::Stream<Item = Result<web::Bytes, Infallible>> {
    let pieces =
        ["one ", "two ", "three"].map(|piece| Ok(web::Bytes::from_static(piece.as_bytes())));
    stream::iter(pieces)
}

async fn no_chunking() -> HttpResponse {
    HttpResponse::Ok().no_chunking(13).streaming(pieces())
}

async fn camel_case() -> HttpResponse {
    let mut response = HttpResponse::Ok()
        .insert_header(("x-custom-header", "Value"))
        .body("Camel");
    response.head_mut().set_camel_case_headers(true);
    response
}

async fn camel_case_stream() -> HttpResponse {
    let mut response = HttpResponse::Ok().streaming(pieces());
    response.head_mut().set_camel_case_headers(true);
    response
}

fn code(path: &web::Path<u16>) -> StatusCode {
    StatusCode::from_u16(**path).expect("a status")
}

async fn status(path: web::Path<u16>) -> HttpResponse {
    HttpResponse::new(code(&path))
}

async fn status_with_body(path: web::Path<u16>) -> HttpResponse {
    HttpResponse::build(code(&path)).body("a body that some statuses must not have")
}

async fn not_modified() -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((header::CONTENT_LENGTH, "42"))
        .insert_header((header::ETAG, "\"tag\""))
        .finish()
}

async fn none() -> HttpResponse {
    HttpResponse::Ok()
        .message_body(NoBody::new())
        .expect("good")
        .map_into_boxed_body()
}

async fn empty() -> HttpResponse {
    HttpResponse::Ok().body("")
}

async fn unit() -> impl Responder {
    HttpResponse::Accepted()
}

async fn sized() -> HttpResponse {
    HttpResponse::Ok().body(SizedStream::new(13, pieces()))
}

async fn sized_empty() -> HttpResponse {
    HttpResponse::Ok().body(SizedStream::new(0, pieces()))
}

async fn own_length() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_LENGTH, "13"))
        .body("just thirteen")
}

async fn own_date() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::DATE, "Thu, 01 Jan 1970 00:00:00 GMT"))
        .insert_header((header::EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT"))
        .finish()
}

async fn server_timing() -> HttpResponse {
    HttpResponse::Ok()
        .append_header(("server-timing", "db;dur=53"))
        .append_header(("server-timing", "app;dur=47.2"))
        .finish()
}

async fn headers() -> HttpResponse {
    let mut builder = HttpResponse::Ok();
    for n in 0..40 {
        builder.append_header((format!("x-{}", n % 10), format!("value {n}")));
    }
    let raw = header::HeaderValue::from_bytes(&[b'a', 0xff, b'b']).expect("good");
    builder
        .insert_header(("x-raw", raw))
        .insert_header(("x-empty", ""))
        .finish()
}

async fn upgrade_offer() -> HttpResponse {
    HttpResponse::UpgradeRequired()
        .insert_header((header::UPGRADE, "tests/1"))
        .body("please upgrade")
}

async fn customized() -> CustomizeResponder<&'static str> {
    "customized"
        .customize()
        .with_status(StatusCode::IM_A_TEAPOT)
        .insert_header(("x-pot", "tea"))
        .append_header(("x-pot", "more tea"))
}

async fn either(query: web::Query<Vec<(String, String)>>) -> Either<String, web::Json<usize>> {
    match query.first() {
        Some((key, _)) => Either::Left(key.clone()),
        None => Either::Right(web::Json(0)),
    }
}

async fn option(request: HttpRequest) -> Option<String> {
    (request.query_string() == "some").then(|| "some".to_owned())
}

async fn result(request: HttpRequest) -> Result<&'static str> {
    match request.query_string() {
        "ok" => Ok("ok"),
        other => Err(actix_web::error::ErrorGone(format!("gone: {other}"))),
    }
}

async fn bytes_of(length: web::Path<usize>) -> Vec<u8> {
    noise(*length)
}

/// A body type of an app's own, which is not complete and says its size.
struct Countdown(u8);

impl MessageBody for Countdown {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::from(self.0))
    }

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<web::Bytes, Infallible>>> {
        // Pending with an immediate wake before every second byte.
        if self.0 == 0 {
            return std::task::Poll::Ready(None);
        }
        self.0 -= 1;
        if self.0.is_multiple_of(2) {
            cx.waker().wake_by_ref();
        }
        std::task::Poll::Ready(Some(Ok(web::Bytes::copy_from_slice(&[b'a' + self.0]))))
    }
}

impl fmt::Debug for Countdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Countdown({})", self.0)
    }
}

async fn own_body() -> HttpResponse {
    HttpResponse::with_body(StatusCode::OK, BoxBody::new(Countdown(9)))
}

async fn version() -> HttpResponse {
    let mut response = HttpResponse::Ok().body("as of 1996");
    response.head_mut().version = actix_web::http::Version::HTTP_10;
    response
}

async fn redirect_to(request: HttpRequest) -> HttpResponse {
    let to = format!("/target?{}", request.query_string());
    HttpResponseBuilder::new(StatusCode::FOUND)
        .insert_header((header::LOCATION, to))
        .finish()
}

fn cases() -> Vec<Case> {
    let head = |path: &str| Case::of(Request::new("HEAD", path));
    let mut cases = vec![
        Case::get("/response/set-cookies").says("set-cookie: a=again"),
        Case::get("/response/reason").says("HTTP/1.1 299 Quite All Right"),
        Case::get("/response/force-close")
            .end()
            .says("connection: close"),
        Case::get("/response/keep-alive"),
        Case::get("/response/no-chunking").says("[body of declared length 13]"),
        Case::get("/response/camel-case").says("X-Custom-Header: Value"),
        Case::get("/response/camel-case-stream").says("Transfer-Encoding: chunked"),
        // Nothing says where it ends but the end of the connection.
        Case::of(Request::get("/response/none").header("Connection", "close")).status(200),
        Case::get("/response/empty").says("[body of declared length 0]"),
        Case::get("/response/unit").status(202),
        Case::get("/response/sized").says("[body of declared length 13]"),
        Case::get("/response/sized-empty").says("[body of declared length 0]"),
        Case::get("/response/own-length"),
        Case::get("/response/own-date").says("expires: Thu, 01 Jan 1970"),
        Case::get("/response/server-timing").says("server-timing: app;dur=47.2"),
        Case::get("/response/headers").says("x-9: value 39"),
        Case::get("/response/upgrade-offer").says("connection: upgrade"),
        Case::get("/response/customized").status(418),
        Case::get("/response/either").says("| 0"),
        Case::get("/response/either?left=1").says("| left"),
        Case::get("/response/option").status(404),
        Case::get("/response/option?some").status(200),
        Case::get("/response/result?ok").status(200),
        Case::get("/response/result?lost").status(410),
        Case::get("/response/own-body").says("| ihgfedcba"),
        Case::get("/response/version"),
        Case::get("/response/redirect").status(307),
        Case::get("/response/redirect-permanent").status(308),
        Case::get("/response/redirect-other/1").status(303),
        Case::get("/response/redirect-to?a=b").says("location: /target?a=b"),
        Case::get("/response/not-modified").says("content-length: 42"),
        head("/response/not-modified"),
        head("/response/sized"),
        head("/response/own-length"),
        head("/response/own-body"),
        head("/response/none"),
        head("/response/noise/70000").says("content-length: 70000"),
    ];
    for code in [200, 201, 204, 205, 206, 304, 404, 500, 511, 999] {
        cases.push(Case::get(&format!("/response/status/{code}")));
        cases.push(Case::get(&format!("/response/status-with-body/{code}")));
        cases.push(head(&format!("/response/status-with-body/{code}")));
    }
    for length in [1, 1023, 1024, 8191, 8192, 32_768, 65_536, 1_000_003] {
        cases.push(Case::get(&format!("/response/noise/{length}")).status(200));
    }
    cases
}

#[test]
fn responses_come_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn responses_come_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}

#[test]
fn a_large_response_comes_the_same() {
    let large = Case::get("/response/noise/5000000").says("[body: 5000000 bytes]");
    compare(app::plain, &[large]);
}
