//! What a handler can ask of its request.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, Responder,
    web::{self, ServiceConfig},
};

use super::super::{app, case::Case, compare::compare, request::Request};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.external_resource("wiki", "https://wiki.test/{page}?from=tests")
        .service(
            web::scope("/request/{realm}")
                .service(
                    web::resource("/all/{id:[0-9]+}/{rest:.*}")
                        .name("all")
                        .to(all),
                )
                .service(web::resource(["/one", "/other/{x}"]).to(all))
                .route("/urls", web::get().to(urls))
                .route("/cookies", web::get().to(cookies))
                .route("/connection", web::get().to(connection)),
        );
}

async fn all(request: HttpRequest, body: web::Bytes) -> impl Responder {
    let mut headers: Vec<_> = request.headers().iter().collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    let info = request.match_info();
    let matched: Vec<_> = info.iter().collect();
    let lines = [
        format!(
            "{} {} {:?}",
            request.method(),
            request.uri(),
            request.version()
        ),
        format!(
            "path {:?} query {:?}",
            request.path(),
            request.query_string()
        ),
        format!("full_url {}", request.full_url()),
        format!("match {matched:?} unprocessed {:?}", info.unprocessed()),
        format!(
            "pattern {:?} name {:?}",
            request.match_pattern(),
            request.match_name()
        ),
        format!("headers {headers:?}"),
        format!(
            "type {:?} {:?} chunked {:?} encoding {:?}",
            request.content_type(),
            request.mime_type().is_ok(),
            request.chunked().ok(),
            request.encoding().ok().map(|encoding| encoding.name()),
        ),
        format!(
            "head {:?} upgrade {} expect {}",
            request.head().connection_type(),
            request.head().upgrade(),
            request.head().expect(),
        ),
        format!("body {body:?}"),
    ];
    lines.join("\n")
}

async fn urls(request: HttpRequest) -> String {
    let all = request.url_for("all", ["here", "7", "a b/c"]);
    [
        all.map_or_else(|err| err.to_string(), String::from),
        request
            .url_for("wiki", ["Actix"])
            .map_or_else(|err| err.to_string(), String::from),
        request
            .url_for("all", ["too few"])
            .map_or_else(|err| err.to_string(), String::from),
        request
            .url_for_static("nowhere")
            .map_or_else(|err| err.to_string(), String::from),
    ]
    .join("\n")
}

async fn cookies(request: HttpRequest) -> HttpResponse {
    let cookies = match request.cookies() {
        Ok(cookies) => cookies
            .iter()
            .map(|cookie| format!("{:?} is {:?}", cookie.name(), cookie.value()))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(err) => return HttpResponse::BadRequest().body(err.to_string()),
    };
    let one = request.cookie("one").map(|cookie| cookie.to_string());
    HttpResponse::Ok().body(format!("{cookies}\n{one:?}"))
}

async fn connection(request: HttpRequest) -> String {
    let info = request.connection_info();
    let config = request.app_config();
    [
        format!(
            "{} {} {:?}",
            info.scheme(),
            info.host(),
            info.realip_remote_addr()
        ),
        format!("{:?}", info.peer_addr()),
        format!("{:?}", request.peer_addr().map(|addr| addr.ip())),
        format!(
            "{} {} {}",
            config.host(),
            config.secure(),
            config.local_addr()
        ),
        format!("{:?}", request.conn_data::<u8>()),
    ]
    .join("\n")
}

fn cases() -> Vec<Case> {
    let long = format!("/request/r/one?{}", "key=value&".repeat(2000));
    vec![
        Case::get("/request/r/all/7/a/b").says(r#""/request/{realm}/all/{id:[0-9]+}/{rest:.*}""#),
        Case::get("/request/r%20r/all/7/%2F%2f%25/%E2%82%AC?a=%26&a=2#no"),
        Case::get("/request/r/all/7/?").status(200),
        Case::get("/request/r/one?x[]=1;y=%").status(200),
        Case::get(&long).named("a long query string").status(200),
        Case::get("/request/r/other/x").says(r#"("x", "x")"#),
        Case::get("http://other.test/request/r/one?absolute"),
        Case::of(Request::new("PATCH", "/request/r/one").body("patched")).says("patched"),
        Case::of(Request::new("BREW", "/request/r/one").body("tea")).says("BREW"),
        Case::of(Request::new("DELETE", "/request/r/one")),
        Case::of(
            Request::post("/request/r/one")
                .header("X-Twice", "1")
                .header("x-twice", "2")
                .header("X-EMPTY", "")
                .header("X-Bytes", [b'a', 0xe9, b'b'])
                .header("X-Space", "  a \t b  ")
                .header("Content-Type", "Text/Plain; Charset=UTF-8")
                .chunks([&b"chunk"[..]]),
        )
        .named("odd headers")
        .status(200),
        Case::get("/request/r/urls").says("http://conformance.test/request/here/all/7/"),
        Case::of(
            Request::get("/request/r/urls")
                .header("Forwarded", "for=192.0.2.1;proto=https;host=front.test"),
        )
        .named("urls behind a proxy"),
        Case::of(Request::without_host("GET", "/request/r/urls", "HTTP/1.1"))
            .named("urls without a host")
            .status(400),
        Case::of(
            Request::get("/request/r/cookies")
                .header("Cookie", "one=1; two=a%20b; one=again")
                .header("Cookie", "three=\"3\""),
        )
        .says("three"),
        Case::of(Request::get("/request/r/cookies").header("Cookie", "nonsense; =; ;;a=b")),
        Case::get("/request/r/cookies").named("no cookies"),
        Case::get("/request/r/connection").says("127.0.0.1"),
        Case::of(
            Request::get("/request/r/connection")
                .header("X-Forwarded-For", "203.0.113.9, 10.0.0.1")
                .header("X-Forwarded-Host", "front.test")
                .header("X-Forwarded-Proto", "https"),
        )
        .named("a connection behind a proxy")
        .says("203.0.113.9"),
        Case::of(Request::without_host(
            "GET",
            "/request/r/connection",
            "HTTP/1.0",
        ))
        .named("a connection of HTTP/1.0")
        .says("#"),
    ]
}

#[test]
fn requests_look_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn requests_look_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}
