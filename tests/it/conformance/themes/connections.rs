//! One connection and several requests: order, ends, versions.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex},
};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, ServiceConfig},
};
use tokio::sync::Notify;

use super::super::{app, case::Case, compare::compare, request::Request};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/connection")
            .route(
                "/say/{word}",
                web::to(|word: web::Path<String>| async move { word.into_inner() }),
            )
            .route("/slow/{polls}", web::to(slow))
            .route("/until-opened", web::get().to(until_opened))
            .route("/open", web::get().to(open))
            .route(
                "/echo",
                web::post().to(|body: web::Bytes| async move { body }),
            )
            .route("/version", web::get().to(version))
            .route(
                "/stream",
                web::get().to(|| async {
                    let pieces =
                        ["a", "b"].map(|piece| Ok::<_, actix_web::Error>(web::Bytes::from(piece)));
                    HttpResponse::Ok().streaming(futures_util::stream::iter(pieces))
                }),
            ),
    );
}

/// Pending that often, however fast or slow the machine is.
async fn slow(polls: web::Path<usize>) -> String {
    for _ in 0..*polls {
        tokio::task::yield_now().await;
    }
    format!("slow {polls}")
}

/// What holds the requests of a server, told apart by its port, until they are let go.
fn gate(request: &HttpRequest) -> Arc<Notify> {
    static GATES: LazyLock<Mutex<HashMap<SocketAddr, Arc<Notify>>>> = LazyLock::new(Mutex::default);
    let mut gates = GATES.lock().expect("no panic");
    let server = request.app_config().local_addr();
    Arc::clone(gates.entry(server).or_default())
}

/// Waits until `/connection/open` is asked for on another connection.
pub(super) async fn opened(request: &HttpRequest) {
    gate(request).notified().await;
}

async fn until_opened(request: HttpRequest) -> &'static str {
    opened(&request).await;
    "opened"
}

/// Lets one request go, also one that comes later.
async fn open(request: HttpRequest) -> &'static str {
    gate(&request).notify_one();
    "open"
}

async fn version(request: HttpRequest) -> String {
    format!(
        "{:?} {:?}",
        request.version(),
        request.head().connection_type()
    )
}

/// All requests in one send, then all their responses.
fn pipelined(name: &str, requests: &[Request]) -> Case {
    let bytes: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
    requests
        .iter()
        .fold(Case::new(name).send(bytes), |case, _| case.response())
}

fn old(method: &str, target: &str) -> Request {
    Request::without_host(method, target, "HTTP/1.0")
}

fn cases() -> Vec<Case> {
    let get = Request::get;
    let many: Vec<_> = (0..16)
        .map(|n| get(&format!("/connection/say/{n}")))
        .collect();
    vec![
        pipelined(
            "the slow one first",
            &[
                get("/connection/slow/30"),
                get("/connection/say/second"),
                get("/connection/say/third"),
            ],
        )
        .says("| third"),
        pipelined(
            "bodies in a row",
            &[
                Request::post("/connection/echo").body("one"),
                Request::post("/connection/echo").chunks([&b"two"[..]]),
                get("/connection/stream"),
                Request::post("/connection/echo").body("three"),
            ],
        )
        .says("| three"),
        pipelined("sixteen in a row", &many).says("| 15"),
        pipelined(
            "a failure between",
            &[
                get("/connection/say/a"),
                get("/nowhere"),
                get("/connection/say/b"),
            ],
        ),
        Case::of(get("/connection/say/bye").header("Connection", "close"))
            .end()
            .says("connection: close"),
        Case::of(get("/connection/say/bye").header("Connection", "CLOSE, x"))
            .named("close among others")
            .end(),
        Case::of(get("/connection/slow/2").header("Connection", "close")).end(),
        Case::of(get("/connection/stream").header("Connection", "close")).end(),
        Case::of(get("/connection/say/on").header("Connection", "keep-alive")),
        Case::of(old("GET", "/connection/version")).says("| HTTP/1.0 Close"),
        Case::of(old("GET", "/connection/version").header("Connection", "keep-alive"))
            .named("keep-alive of 1.0")
            .says("connection: keep-alive"),
        Case::of(old("GET", "/connection/stream")).named("a stream of 1.0"),
        Case::of(old("POST", "/connection/echo").body("old")).says("| old"),
        Case::of(old("HEAD", "/connection/say/old")),
        Case::new("a request after an idle moment")
            .exchange(&get("/connection/say/one"))
            .let_server_see()
            .exchange(&get("/connection/say/two"))
            .says("| two"),
        Case::new("half closed before the answer")
            .send(get("/connection/until-opened").bytes())
            .half_close()
            .let_server_see()
            .elsewhere(get("/connection/open"))
            .response()
            .says("| opened"),
        Case::new("a head in pieces")
            .send_slowly([
                "GET /connection/say",
                "/pieces HTTP/1.1\r",
                "\nHost: conformance.test\r\n",
            ])
            .send("\r\n")
            .response()
            .says("| pieces"),
        Case::new("empty lines before a request")
            .send("\r\n\r\n")
            .exchange(&get("/connection/say/x")),
    ]
}

#[test]
fn connections_go_the_same_way() {
    compare(app::plain, &cases());
}

#[test]
fn connections_go_the_same_way_behind_middleware() {
    compare(app::stacked, &cases());
}
