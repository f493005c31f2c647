//! What operators have in their hands: the mode, bare or with the plugin at run time, and what the log says of pins.

use std::{env, fmt, process::Command, thread};

use actix_http::Request;
use actix_offload::{BuildError, Mode, Offload, Placement};
use actix_service::IntoServiceFactory;
use actix_web::{
    App, Error, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Response, Service, ServiceFactory},
    test::TestRequest,
    web,
};
use offload_tests::{connection::Connection, server::TestServer, work::burn};

use crate::{gate::wait_until, logs};

async fn here() -> &'static str {
    let thread = thread::current();
    let lane = thread
        .name()
        .is_some_and(|name| name.starts_with("offload-"));
    if lane { "lane" } else { "loop" }
}

fn get(server: &TestServer, path: &str) -> Vec<u8> {
    let mut connection = Connection::open(server.addr()).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    connection.send(request.as_bytes()).expect("sends");
    connection.read_response().expect("answers").body.to_vec()
}

/// Generic over what `HttpServer::new` takes, and over nothing less; that it compiles is the test.
fn serves_all_that_actix_serves<F, I, S, B>(offload: &Offload, factory: F) -> usize
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let server = HttpServer::new(offload.app(factory)).bind(("127.0.0.1", 0));
    server.expect("a free port").addrs().len()
}

#[test]
fn it_takes_exactly_what_actix_takes() {
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .build()
        .expect("starts");
    assert_eq!(serves_all_that_actix_serves(&offload, App::new), 1);
}

/// Set for a process of this test's own, whose environment says what the variable is.
const CHILD: &str = "OFFLOAD_TEST_EXPECTS";

#[test]
fn the_environment_decides_where_the_application_asks_it() {
    let Ok(expected) = env::var(CHILD) else {
        return for_all_values();
    };
    let built = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .env()
        .build();
    let offload = match built {
        Ok(offload) => offload,
        Err(error) => {
            let BuildError::Environment {
                variable,
                given,
                allowed,
            } = &error
            else {
                panic!("{error}");
            };
            assert_eq!(
                (*variable, given.as_str(), *allowed),
                ("OFFLOAD", "none", "off, loop, lane or auto")
            );
            assert_eq!(error.to_string(), expected);
            return;
        }
    };
    assert_eq!(offload.mode().to_string(), expected);
    let app = || App::new().route("/", web::get().to(here));
    let server = TestServer::start(offload.app(app));
    // The first one is enough: nothing is known of it.
    let ran = String::from_utf8(get(&server, "/")).expect("a word");
    let should = match offload.mode() {
        Mode::Off | Mode::Loop => "loop",
        _ => "lane",
    };
    assert_eq!(ran, should);
    let runs: u64 = offload
        .report()
        .routes
        .iter()
        .map(|route| route.loop_runs + route.lane_runs)
        .sum();
    assert!(offload.mode() != Mode::Off || runs == 0, "it is measured");
}

fn for_all_values() {
    let refused = "the environment variable OFFLOAD must be off, loop, lane or auto, not \"none\"";
    let cases = [
        ("off", "off"),
        ("loop", "loop"),
        ("lane", "lane"),
        ("auto", "auto"),
        ("", "auto"),
        ("none", refused),
    ];
    for (value, expected) in cases {
        let name = "operators::the_environment_decides_where_the_application_asks_it";
        let output = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", name])
            .env("OFFLOAD", value)
            .env(CHILD, expected)
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{value}: {said}"
        );
    }
}

#[test]
fn a_pin_that_matches_no_route_is_said_once() {
    logs::record();
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .pin("GET", "/misspelt-pin", Placement::Loop)
        .pin("GET", "/met-pin", Placement::Loop)
        .pin("GET", "(unmatched)", Placement::Lane)
        .build()
        .expect("starts");
    let app = || App::new().route("/met-pin", web::get().to(here));
    let said = |pattern| logs::lines_with(&["WARN", "a pin matches no route", pattern]);
    for _ in 0..2 {
        let server = TestServer::start(offload.app(app));
        wait_until("said", || {
            get(&server, "/met-pin");
            said("GET /misspelt-pin") > 0
        });
    }
    assert_eq!(said("GET /misspelt-pin"), 1);
    assert_eq!(said("/met-pin"), 0);
    assert_eq!(
        logs::lines_with(&["a pin matches no route", "unmatched"]),
        0
    );
}

#[test]
fn a_route_that_stays_where_it_is_makes_no_move() {
    logs::record();
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .build()
        .expect("starts");
    let heavy = || async {
        burn(std::time::Duration::from_millis(20));
        "done"
    };
    let app = move || App::new().route("/stays-where-it-is", web::get().to(heavy));
    let server = TestServer::start(offload.app(app));
    for _ in 0..3 {
        get(&server, "/stays-where-it-is");
    }
    assert_eq!(logs::lines_with(&["route=GET /stays-where-it-is"]), 0);
    let report = offload.report();
    assert!(report.moves.is_empty(), "{:?}", report.moves);
    let why = report.routes[0].last_move.as_ref().expect("judged");
    assert!(why.reason.contains("over budget"), "{why:?}");
}

#[test]
fn the_empty_pattern_has_a_name_and_takes_a_pin() {
    for name in ["", "(empty)"] {
        let offload = Offload::builder()
            .lanes(|lanes| lanes.threads(1))
            .pin("GET", name, Placement::Loop)
            .build()
            .expect("starts");
        let app = || App::new().route("", web::get().to(here));
        actix_web::rt::System::new().block_on(async {
            let factory = offload.app(app)();
            let service = factory.new_service(AppConfig::default()).await;
            let service = service.expect("starts");
            for _ in 0..3 {
                // The path of a target that is an authority is empty.
                let request = TestRequest::with_uri("example.test:80").to_request();
                let response = service.call(request).await.expect("answers");
                assert_eq!(response.status(), 200);
            }
        });
        let routes = offload.report().routes;
        let named: Vec<_> = routes
            .iter()
            .map(|route| (route.pattern.as_str(), route.loop_runs))
            .collect();
        assert_eq!(named, [("(empty)", 3)]);
    }
}
