//! Every extractor, its failures, and application data at every scope.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Mutex};

use actix_web::{
    Either, Error, FromRequest, HttpRequest, HttpResponse, Responder, ResponseError,
    dev::Payload,
    error::{self, InternalError},
    http::{StatusCode, header},
    web::{self, Data, ServiceConfig},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::super::{app, case::Case, compare::compare, request::Request};

#[derive(Debug, Deserialize, Serialize)]
struct Person {
    name: String,
    age: u8,
}

/// Says at which level it was registered; not `Sync`, nor is it when shared.
struct Level(&'static str, Rc<RefCell<u32>>);

/// Application data of the usual kind.
struct Shared(Mutex<BTreeMap<String, usize>>);

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    let strict = web::JsonConfig::default()
        .limit(64)
        .content_type(|mime| mime.essence_str() == "application/vnd.strict+json")
        .error_handler(|err, request| {
            let text = format!("{} says {err}", request.path());
            InternalError::from_response(err, HttpResponse::Conflict().body(text)).into()
        });
    let query =
        web::QueryConfig::default().error_handler(|err, _| Refused::Query(err.to_string()).into());
    let path =
        web::PathConfig::default().error_handler(|err, _| Refused::Path(err.to_string()).into());
    let form = web::FormConfig::default()
        .limit(32)
        .error_handler(|err, _| error::ErrorPaymentRequired(format!("form: {err}")));
    cfg.app_data(Level("app", Rc::default()))
        .app_data(Data::new(Shared(Mutex::default())))
        .service(
            web::scope("/extract")
                .app_data(Level("scope", Rc::default()))
                .service(
                    web::resource("/level")
                        .app_data(Level("resource", Rc::default()))
                        .route(web::get().to(level)),
                )
                .route("/level/scope", web::get().to(level))
                .service(web::scope("/inner").route("/level", web::get().to(level)))
                .route("/path/{name}/{age}", web::get().to(path_struct))
                .route("/tuple/{name}/{age}", web::get().to(path_tuple))
                .route("/tail/{tail:.*}", web::get().to(path_string))
                .service(
                    web::resource("/path-refused/{age}")
                        .app_data(path)
                        .route(web::get().to(path_number)),
                )
                .route("/query", web::get().to(query_struct))
                .service(
                    web::resource("/query-refused")
                        .app_data(query)
                        .route(web::get().to(query_struct)),
                )
                .route("/form", web::post().to(form_struct))
                .service(
                    web::resource("/form-refused")
                        .app_data(form)
                        .route(web::post().to(form_struct)),
                )
                .route("/json", web::post().to(json_struct))
                .service(
                    web::resource("/json-refused")
                        .app_data(strict)
                        .route(web::post().to(json_struct)),
                )
                .route("/bytes", web::post().to(whole_bytes))
                .route("/string", web::post().to(whole_string))
                .route("/payload", web::post().to(payload))
                .route("/either", web::post().to(either))
                .route("/maybe", web::post().to(maybe))
                .route("/many", web::post().to(many))
                .route("/header", web::get().to(typed_headers))
                .route("/data", web::get().to(shared_data))
                .route("/missing-data", web::get().to(missing_data))
                .route("/own", web::get().to(own))
                .route("/req-data", web::get().to(req_data))
                .service(
                    web::resource("/stamped")
                        .wrap(actix_web::middleware::from_fn(app::stamp))
                        .route(web::get().to(req_data)),
                ),
        );
}

async fn level(request: HttpRequest) -> impl Responder {
    let level = request.app_data::<Level>().expect("registered");
    // Whatever the count is by now, the instance keeps it without a lock.
    *level.1.borrow_mut() += 1;
    level.0
}

async fn path_struct(person: web::Path<Person>) -> impl Responder {
    web::Json(person.into_inner())
}

async fn path_tuple(path: web::Path<(String, u8)>) -> String {
    format!("{path:?}")
}

async fn path_string(path: web::Path<String>) -> String {
    path.into_inner()
}

async fn path_number(path: web::Path<u8>) -> String {
    path.to_string()
}

async fn query_struct(person: web::Query<Person>) -> impl Responder {
    web::Json(person.into_inner())
}

async fn form_struct(person: web::Form<Person>) -> impl Responder {
    web::Form(person.into_inner())
}

async fn json_struct(person: web::Json<Person>) -> impl Responder {
    web::Json(person.into_inner())
}

async fn whole_bytes(bytes: web::Bytes) -> impl Responder {
    bytes
}

async fn whole_string(text: String) -> String {
    text.to_uppercase()
}

async fn payload(mut payload: web::Payload) -> Result<String, Error> {
    let mut length = 0;
    while let Some(chunk) = payload.next().await {
        length += chunk?.len();
    }
    Ok(length.to_string())
}

async fn either(body: Either<web::Json<Person>, web::Form<Person>>) -> String {
    match body {
        Either::Left(json) => format!("json {}", json.name),
        Either::Right(form) => format!("form {}", form.name),
    }
}

async fn maybe(
    json: Result<web::Json<Person>, Error>,
    query: Option<web::Query<Person>>,
) -> String {
    let json = json.map(|json| json.name.clone());
    format!("{:?} {:?}", json.map_err(|err| err.to_string()), query)
}

async fn many(
    request: HttpRequest,
    person: web::Query<Person>,
    shared: Data<Shared>,
    method: actix_web::http::Method,
    uri: actix_web::http::Uri,
    body: String,
) -> String {
    let known = shared.0.lock().expect("no panics").contains_key("nobody");
    let version = request.version();
    format!("{method} {uri} {version:?} {} {known} {body}", person.name)
}

async fn typed_headers(
    accept: web::Header<header::Accept>,
    length: Option<web::Header<header::ContentLength>>,
) -> String {
    let length = length.map(|length| *length.into_inner());
    format!("{} {length:?}", accept.into_inner())
}

async fn shared_data(shared: Data<Shared>, query: web::Query<BTreeMap<String, String>>) -> String {
    let mut seen = shared.0.lock().expect("no panics");
    for key in query.keys() {
        *seen.entry(key.clone()).or_default() += 1;
    }
    seen.keys().cloned().collect::<Vec<_>>().join(" ")
}

async fn missing_data(_: Data<String>) -> &'static str {
    "never"
}

async fn req_data(stamp: Option<web::ReqData<app::Stamp>>) -> String {
    match stamp {
        Some(stamp) => format!("{} with {}", stamp.text, stamp.shared),
        None => "no stamp".to_owned(),
    }
}

/// Looks at a header and fails with an error of its own.
struct Own(String);

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("no token")]
    Token,
    #[error("bad query: {0}")]
    Query(String),
    #[error("bad path: {0}")]
    Path(String),
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Query(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Path(_) => StatusCode::NOT_ACCEPTABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .insert_header((header::WWW_AUTHENTICATE, "Token realm=\"tests\""))
            .json(serde_json::json!({ "refused": self.to_string() }))
    }
}

impl FromRequest for Own {
    type Error = Refused;
    type Future = std::future::Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = request.headers().get("x-token");
        let token = token.and_then(|value| value.to_str().ok());
        let own = token.map(|token| Self(token.to_owned()));
        std::future::ready(own.ok_or(Refused::Token))
    }
}

async fn own(own: Own) -> String {
    own.0
}

fn cases() -> Vec<Case> {
    let ada = r#"{"name":"Ada","age":36}"#;
    let post = |path: &str| Request::post(path);
    vec![
        Case::get("/extract/level").says("resource"),
        Case::get("/extract/level/scope").says("scope"),
        Case::get("/extract/inner/level").says("scope"),
        Case::get("/extract/path/Ada/36").says(ada),
        Case::get("/extract/path/Ada/nine").status(404),
        Case::get("/extract/path/A%20d%2Fa%25/1").says("A d/a%"),
        Case::get("/extract/tuple/%C3%84da/36").status(200),
        Case::get("/extract/tuple/%FF/36"),
        Case::get("/extract/tail/a/b//c/../d%2e").status(200),
        Case::get("/extract/tail/").status(200),
        Case::get("/extract/path-refused/256").status(406),
        Case::get("/extract/query?name=Ada&age=36").says(ada),
        Case::get("/extract/query?name=A+d%26a&age=3&more=1").says("A d&a"),
        Case::get("/extract/query").status(400),
        Case::get("/extract/query?name=Ada&age=-1").status(400),
        Case::get("/extract/query-refused?age=1").status(422),
        Case::of(post("/extract/form").form("name=Ada&age=36")).says("name=Ada&age=36"),
        Case::of(post("/extract/form").form("name=Ada")).status(400),
        Case::of(post("/extract/form").body("name=Ada&age=36")).named("form without a type"),
        Case::of(post("/extract/form-refused").form(&format!("age=1&name={}", "a".repeat(99))))
            .status(402),
        Case::of(post("/extract/json").json(ada)).says(ada),
        Case::of(post("/extract/json").json("{"))
            .named("broken json")
            .status(400),
        Case::of(post("/extract/json").json(""))
            .named("empty json")
            .status(400),
        Case::of(post("/extract/json").body(ada))
            .named("json without a type")
            .status(400),
        Case::of(
            post("/extract/json")
                .header("Content-Type", "application/json; charset=utf-8")
                .chunks([&ada.as_bytes()[..5], &ada.as_bytes()[5..]]),
        )
        .named("chunked json")
        .says(ada),
        Case::of(post("/extract/json-refused").json(ada)).says(ada),
        Case::of(
            post("/extract/json-refused")
                .header("Content-Type", "application/vnd.strict+json")
                .body(ada),
        )
        .says(ada),
        Case::of(
            post("/extract/json-refused")
                .header("Content-Type", "application/vnd.strict+json")
                .body(format!("{ada}{}", " ".repeat(99))),
        )
        .named("json over its limit")
        .status(409),
        Case::of(post("/extract/bytes").body([0, 255, 13, 10, 0])).says(r"| \x00\xff\r"),
        Case::of(post("/extract/bytes").body("")).named("empty bytes"),
        Case::of(post("/extract/bytes"))
            .named("no body at all")
            .status(200),
        Case::of(post("/extract/string").body("strasse")).says("STRASSE"),
        Case::of(post("/extract/string").body([0xff]))
            .named("a string that is none")
            .status(400),
        Case::of(
            post("/extract/string")
                .header("Content-Type", "text/plain; charset=iso-8859-1")
                .body([0xe4]),
        )
        .named("a string in latin 1"),
        Case::of(
            post("/extract/string")
                .header("Content-Type", "text/plain; charset=klingon")
                .body("x"),
        )
        .named("a string in no encoding"),
        Case::of(post("/extract/payload").body("12345")).says("| 5"),
        Case::of(post("/extract/payload").chunks([&b"12"[..], b"345"])).says("| 5"),
        Case::of(post("/extract/either").json(ada)).says("json Ada"),
        Case::of(post("/extract/either").form("name=Bob&age=1")).says("form Bob"),
        Case::of(post("/extract/either").body("neither"))
            .named("neither")
            .status(400),
        Case::of(post("/extract/maybe").body("no")).says("Err("),
        Case::of(post("/extract/maybe?name=Bob&age=1").json(ada)).says("Ok("),
        Case::of(post("/extract/many?name=Bob&age=1").body("the body")).says("the body"),
        Case::of(Request::get("/extract/header").header("Accept", "text/html;q=0.5, */*")),
        Case::get("/extract/header")
            .named("a header that is not there")
            .status(200),
        Case::of(Request::get("/extract/header").header("Accept", ";;q=x")).named("a bad header"),
        Case::get("/extract/data?one=1&two=2").says("one two"),
        Case::get("/extract/missing-data").status(500),
        Case::get("/extract/own").status(401),
        Case::of(Request::get("/extract/own").header("X-Token", "a b")).says("a b"),
        Case::get("/extract/stamped?q=1").says("GET /extract/stamped with q=1"),
        Case::get("/extract/req-data"),
    ]
}

#[test]
fn extractors_see_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn extractors_see_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}
