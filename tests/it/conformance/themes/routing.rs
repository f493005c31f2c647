//! Which handler answers: guards, scopes, default services, methods.

use actix_web::{
    HttpRequest, HttpResponse, Responder, get, guard, head, options, post, route,
    web::{self, ServiceConfig},
};

use super::super::{app, case::Case, compare::compare, request::Request};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/hosts")
            .guard(guard::Host("one.test"))
            .route("", web::get().to(|| async { "host one" })),
    )
    .service(
        web::scope("/hosts")
            .guard(guard::Host("two.test").scheme("http"))
            .route("", web::get().to(|| async { "host two" })),
    )
    .service(
        web::scope("/routing")
            .service((macro_get, macro_many, macro_post, own_head, own_options))
            .service(
                web::resource("/guarded")
                    .route(
                        web::get()
                            .guard(guard::Header("x-kind", "a"))
                            .to(|| async { "kind a" }),
                    )
                    .route(
                        web::route()
                            .guard(guard::Any(guard::Get()).or(guard::Put()))
                            .guard(guard::fn_guard(|context| {
                                context.head().headers().contains_key("x-custom")
                            }))
                            .to(|| async { "custom" }),
                    )
                    .route(
                        web::route()
                            .guard(guard::Not(guard::Get()))
                            .to(|| async { "anything but get" }),
                    ),
            )
            .service(web::resource("/only-get").route(web::get().to(|| async { "got" })))
            .service(
                web::resource("/own-405")
                    .route(web::get().to(|| async { "got" }))
                    .default_service(web::to(|request: HttpRequest| async move {
                        HttpResponse::MethodNotAllowed().body(format!("no {}", request.method()))
                    })),
            )
            .service(
                web::scope("/outer")
                    .service(
                        web::scope("/inner")
                            .route("/leaf", web::get().to(|| async { "leaf" }))
                            .default_service(web::to(|request: HttpRequest| async move {
                                format!("inner default {}", request.path())
                            })),
                    )
                    .service(web::scope("/bare").route("/leaf", web::get().to(|| async { "bare" })))
                    .default_service(web::to(|| async {
                        HttpResponse::NotFound().body("outer default")
                    })),
            )
            .service(
                web::scope("/tenants/{tenant}")
                    .service(web::resource("/{id:\\d{2,3}}").to(pattern))
                    .service(web::resource("/{name}").to(pattern))
                    .service(web::resource("/{name}.{extension}").to(pattern)),
            )
            .service(web::resource("").to(|| async { "scope without slash" }))
            .service(web::resource("/").to(|| async { "scope with slash" })),
    );
}

#[get("/macro/{name}")]
async fn macro_get(name: web::Path<String>) -> impl Responder {
    format!("get {name}")
}

#[post("/macro/{name}")]
async fn macro_post(name: web::Path<String>) -> impl Responder {
    (format!("post {name}"), actix_web::http::StatusCode::CREATED)
}

#[route("/macro-many", method = "GET", method = "HEAD", method = "LINK")]
async fn macro_many(request: HttpRequest) -> String {
    request.method().to_string()
}

#[head("/head")]
async fn own_head() -> impl Responder {
    HttpResponse::Ok()
        .insert_header(("x-head", "yes"))
        .body("not to be sent")
}

#[options("/options")]
async fn own_options() -> impl Responder {
    HttpResponse::NoContent()
        .insert_header(("allow", "OPTIONS"))
        .finish()
}

async fn pattern(request: HttpRequest) -> String {
    format!(
        "{:?} {:?}",
        request.match_pattern(),
        request.match_info().as_str()
    )
}

fn with_host(host: &str, path: &str) -> Request {
    Request::without_host("GET", path, "HTTP/1.1").header("Host", host)
}

fn cases() -> Vec<Case> {
    let new = |method: &str, path: &str| Case::of(Request::new(method, path));
    vec![
        Case::of(with_host("one.test", "/hosts"))
            .named("host one")
            .says("host one"),
        Case::of(with_host("two.test:80", "/hosts")).named("host two"),
        Case::of(with_host("three.test", "/hosts"))
            .named("host three")
            .status(404),
        Case::get("/routing/macro/a").says("get a"),
        new("POST", "/routing/macro/a").status(201),
        new("PUT", "/routing/macro/a"),
        new("LINK", "/routing/macro-many").says("LINK"),
        new("HEAD", "/routing/macro-many"),
        new("HEAD", "/routing/head").says("x-head: yes"),
        new("GET", "/routing/head"),
        new("OPTIONS", "/routing/options").status(204),
        new("OPTIONS", "/routing/only-get").status(405),
        new("OPTIONS", "*").named("options of everything"),
        Case::of(Request::get("/routing/guarded").header("X-Kind", "a")).says("kind a"),
        Case::of(Request::get("/routing/guarded").header("X-Custom", "1")).says("custom"),
        Case::get("/routing/guarded").named("no guard lets it through"),
        new("POST", "/routing/guarded").says("anything but get"),
        Case::get("/routing/only-get").says("got"),
        new("POST", "/routing/only-get").status(405),
        new("HEAD", "/routing/only-get").says("[no body]"),
        new("DELETE", "/routing/own-405").says("no DELETE"),
        Case::get("/routing/outer/inner/leaf").says("leaf"),
        Case::get("/routing/outer/inner/other").says("inner default"),
        new("POST", "/routing/outer/inner/leaf"),
        Case::get("/routing/outer/other").says("outer default"),
        Case::get("/routing/outer/bare/other"),
        Case::get("/routing/tenants/acme/123"),
        Case::get("/routing/tenants/acme/1234"),
        Case::get("/routing/tenants/acme/a.txt"),
        Case::get("/routing/tenants//x"),
        Case::get("/routing"),
        Case::get("/routing/"),
        Case::get("/routing//"),
        Case::get("/ROUTING/only-get").status(404),
        Case::get("/routing/%6fnly-get"),
        Case::get("/routing/only-get/").named("a slash too many"),
        Case::get("//routing//only-get").named("doubled slashes"),
        Case::get("/nowhere").status(404),
        new("POST", "/nowhere").status(404),
        new("HEAD", "/nowhere").status(404),
    ]
}

#[test]
fn routing_is_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn routing_is_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}
