//! Sessions in an encrypted cookie: what one placement writes, every other must be able to read.

use actix_session::{
    Session, SessionMiddleware, config::PersistentSession, storage::CookieSessionStore,
};
use actix_web::{
    HttpResponse, Responder, Result,
    cookie::{Key, time::Duration},
    web::{self, ServiceConfig},
};
use offload_tests::{connection::Connection, response::RawResponse, server::TestServer};

use super::super::{app, modes::Mode, request::Request};

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/session")
            .route("/count", web::post().to(count))
            .route("/read", web::get().to(read))
            .route("/leave", web::post().to(leave)),
    );
}

/// With a fixed key; the nonce of each cookie is random all the same.
pub(crate) fn middleware() -> SessionMiddleware<CookieSessionStore> {
    SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
        .cookie_name("session".to_owned())
        .cookie_secure(false)
        .cookie_path("/session".to_owned())
        .session_lifecycle(PersistentSession::default().session_ttl(Duration::hours(2)))
        .build()
}

async fn count(session: Session) -> Result<impl Responder> {
    let count = session.get::<u32>("count")?.unwrap_or(0) + 1;
    session.insert("count", count)?;
    Ok(count.to_string())
}

async fn read(session: Session) -> Result<impl Responder> {
    let entries: std::collections::BTreeMap<_, _> = session.entries().clone().into_iter().collect();
    Ok(web::Json(entries))
}

async fn leave(session: Session) -> impl Responder {
    session.purge();
    HttpResponse::SeeOther()
        .insert_header(("location", "/"))
        .finish()
}

/// A client that keeps its cookie and, unless told otherwise, its connection.
struct Client {
    connection: Connection,
    cookie: Option<String>,
}

impl Client {
    fn of(server: &TestServer, cookie: Option<String>) -> Self {
        let connection = Connection::open(server.addr()).expect("a connection");
        Self { connection, cookie }
    }

    /// Sends a request and answers the response and the attributes of the cookie that it set.
    fn ask(&mut self, request: Request) -> (RawResponse, Option<String>) {
        let request = match &self.cookie {
            Some(cookie) => request.header("Cookie", format!("session={cookie}")),
            None => request,
        };
        self.connection.send(&request.bytes()).expect("sent");
        let response = self.connection.read_response().expect("a response");
        let mut attributes = None;
        if let Some(set) = response.header("set-cookie") {
            let (pair, rest) = set.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            assert_eq!(name, "session");
            self.cookie = (!value.is_empty()).then(|| value.to_owned());
            // A removed cookie expires a year before now, whenever that is.
            let rest = rest.split("; Expires=").next().unwrap_or(rest);
            attributes = Some(rest.trim().to_owned());
        }
        (response, attributes)
    }
}

/// What a visitor sees: the bodies and the attributes of the cookies, in order.
fn visit(server: &TestServer) -> Vec<(u16, String, Option<String>)> {
    let mut client = Client::of(server, None);
    let requests = [
        Request::get("/session/read"),
        Request::post("/session/count"),
        Request::post("/session/count"),
        Request::get("/session/read"),
        Request::post("/session/leave"),
        Request::get("/session/read"),
    ];
    requests
        .into_iter()
        .map(|request| {
            let (response, attributes) = client.ask(request);
            let body = String::from_utf8(response.body.clone()).expect("text");
            (response.status(), body, attributes)
        })
        .collect()
}

#[test]
fn a_session_goes_the_same_way() {
    let bare = visit(&Mode::Bare.serve(app::stacked));
    assert_eq!(bare[2].1, "2", "the session counts");
    assert_eq!(bare[3].1, r#"{"count":"2"}"#);
    assert!(
        bare[1]
            .2
            .as_ref()
            .is_some_and(|cookie| cookie.contains("Max-Age=7200"))
    );
    for mode in Mode::WITH_PLUGIN {
        let server = mode.serve(app::stacked);
        for _ in 0..mode.rounds() {
            assert_eq!(visit(&server), bare, "{mode:?}");
        }
    }
}

#[test]
fn a_session_written_in_one_mode_is_read_in_all() {
    let servers: Vec<_> = [Mode::Bare]
        .into_iter()
        .chain(Mode::WITH_PLUGIN)
        .map(|mode| (mode, mode.serve(app::stacked)))
        .collect();
    let mut cookie = None;
    for (visits, (mode, server)) in servers.iter().chain(&servers).enumerate() {
        let mut client = Client::of(server, cookie.take());
        let (response, _) = client.ask(Request::post("/session/count"));
        assert_eq!(
            response.body,
            (visits + 1).to_string().as_bytes(),
            "{mode:?}"
        );
        cookie = client.cookie;
    }
}
