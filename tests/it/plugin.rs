//! What the plugin offers beside the dispatch itself: pins, annotations, wrapping, reports, profiles.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use actix_offload::{Mode, Offload, Placement, offload};
use actix_web::{
    App, HttpResponse,
    body::BoxBody,
    dev::ServiceRequest,
    get,
    middleware::{Next, from_fn},
    web,
};
use offload_tests::{
    connection::Connection, response::RawResponse, server::TestServer, work::burn,
};

use crate::gate::wait_until;

fn ask(server: &TestServer, request: &str) -> RawResponse {
    let mut connection = Connection::open(server.addr()).expect("connects");
    connection.send(request.as_bytes()).expect("sends");
    connection.read_response().expect("answers")
}

fn get(server: &TestServer, path: &str) -> RawResponse {
    ask(
        server,
        &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"),
    )
}

fn status(response: &RawResponse) -> u16 {
    let line = String::from_utf8_lossy(&response.status_line);
    let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("no status in {line:?}"))
}

fn text(response: &RawResponse) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

fn header(response: &RawResponse, name: &str) -> Option<String> {
    response.header_lines.iter().find_map(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

/// Where the response says that it was made.
fn place(response: &RawResponse) -> String {
    let timing = header(response, "server-timing").expect("Server-Timing is on");
    assert!(
        timing.contains("queue;dur=") && timing.contains("run;dur="),
        "{timing}"
    );
    let place = timing
        .strip_prefix("place;desc=\"")
        .and_then(|rest| rest.split('"').next());
    place
        .unwrap_or_else(|| panic!("no place in {timing:?}"))
        .to_owned()
}

fn on_lane_thread() -> bool {
    thread::current()
        .name()
        .is_some_and(|name| name.starts_with("offload-"))
}

fn timed() -> actix_offload::OffloadBuilder {
    Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .server_timing(true)
}

#[offload]
#[get("/annotated")]
async fn annotated() -> String {
    on_lane_thread().to_string()
}

#[get("/plain")]
async fn plain() -> String {
    on_lane_thread().to_string()
}

#[test]
fn configuration_pins_hold_from_the_first_request() {
    let offload = timed()
        .pin("GET", "/plain", Placement::Loop)
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| App::new().service(plain)));
    for _ in 0..20 {
        assert_eq!(place(&get(&server, "/plain")), "loop");
    }

    let offload = timed()
        .rules(|rules| rules.unknown = Placement::Loop)
        .pin("GET", "/plain", Placement::Lane)
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| App::new().service(plain)));
    for _ in 0..20 {
        let response = get(&server, "/plain");
        assert_eq!(
            (place(&response).as_str(), text(&response).as_str()),
            ("lane", "true")
        );
    }
}

#[test]
fn an_annotation_pins_its_route_from_the_second_request_on() {
    let offload = timed()
        .rules(|rules| rules.unknown = Placement::Loop)
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| App::new().service(annotated).service(plain)));
    // Which patterns there are is learned in the background from the first response.
    wait_until("learned", || {
        get(&server, "/plain");
        offload
            .report()
            .routes
            .iter()
            .any(|route| route.pattern == "/plain")
    });
    let first = get(&server, "/annotated");
    assert_eq!(
        (place(&first).as_str(), text(&first).as_str()),
        ("loop", "true")
    );
    for _ in 0..20 {
        let response = get(&server, "/annotated");
        assert_eq!(
            (place(&response).as_str(), text(&response).as_str()),
            ("lane", "true")
        );
    }
}

#[test]
fn an_annotated_body_leaves_the_event_loop_without_the_plugin_too() {
    let server = TestServer::start(|| App::new().service(annotated).service(plain));
    assert_eq!(text(&get(&server, "/annotated")), "true");
    assert_eq!(text(&get(&server, "/plain")), "false");
}

#[test]
fn a_wrapped_app_is_measured_and_named_and_its_annotated_bodies_move() {
    let offload = timed().build().expect("starts");
    let app = {
        let offload = offload.clone();
        move || {
            App::new()
                .wrap(offload.clone())
                .service(annotated)
                .service(plain)
        }
    };
    let server = TestServer::start(app);
    wait_until("learned", || {
        assert_eq!(text(&get(&server, "/plain")), "false");
        offload
            .report()
            .routes
            .iter()
            .any(|route| route.pattern == "/plain")
    });
    let submitted = offload.lanes().stats().submitted;
    let response = get(&server, "/annotated");
    assert_eq!(
        (place(&response).as_str(), text(&response).as_str()),
        ("loop", "true")
    );
    assert_eq!(
        offload.lanes().stats().submitted,
        submitted + 1,
        "not this plugin's lane"
    );
    let report = offload.report();
    assert!(
        report
            .routes
            .iter()
            .any(|route| route.pattern == "/annotated"),
        "{report:?}"
    );
    assert!(report.event_loops[0].requests >= 2, "{report:?}");
}

#[test]
fn wrapping_inside_of_a_served_app_changes_nothing() {
    let offload = timed().mode(Mode::Lane).build().expect("starts");
    let app = {
        let inner = offload.clone();
        offload.app(move || App::new().wrap(inner.clone()).service(plain))
    };
    let server = TestServer::start(app);
    let response = get(&server, "/plain");
    let timings = response
        .header_lines
        .iter()
        .filter(|line| line.to_ascii_lowercase().starts_with(b"server-timing"))
        .count();
    assert_eq!((timings, text(&response).as_str()), (1, "true"));
}

#[test]
fn panics_are_answered_counted_and_end_no_thread() {
    for policy in [Mode::Lane, Mode::Loop] {
        let offload = timed().mode(policy).build().expect("starts");
        let app = offload.app(|| {
            App::new().service(plain).route(
                "/panic",
                web::get().to(|| async {
                    if true {
                        panic!("on purpose");
                    }
                    HttpResponse::Ok().finish()
                }),
            )
        });
        let server = TestServer::start(app);
        wait_until("learned", || {
            get(&server, "/plain");
            offload
                .report()
                .routes
                .iter()
                .any(|route| route.pattern == "/plain")
        });
        for _ in 0..50 {
            assert_eq!(status(&get(&server, "/panic")), 500);
        }
        assert_eq!(status(&get(&server, "/plain")), 200);
        let report = offload.report();
        let route = report.routes.iter().find(|route| route.pattern == "/panic");
        assert_eq!(route.expect("reported").panics, 50, "{policy:?}");
        assert_eq!(report.lanes[0].threads, 2);
    }
}

#[test]
fn what_was_learned_outlives_the_process() {
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let folder = std::env::temp_dir().join(format!(
        "offload-profile-{}-{}",
        std::process::id(),
        FOLDERS.fetch_add(1, Ordering::Relaxed),
    ));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("profile.json");
    // Roomy, so that noise on a busy machine does not make the light route heavy.
    let start = || {
        timed()
            .budget(Duration::from_millis(20))
            .profile(&file)
            .build()
            .expect("starts")
    };

    let first = start();
    {
        let server = TestServer::start(first.app(|| App::new().service(plain)));
        wait_until("on the loop", || place(&get(&server, "/plain")) == "loop");
    }
    first.save_profile().expect("saves");

    let second = start();
    let report = second.report();
    let route = report
        .routes
        .iter()
        .find(|route| route.pattern == "/plain")
        .expect("restored");
    assert_eq!(route.placement, Placement::Loop);
    {
        let server = TestServer::start(second.app(|| App::new().service(plain)));
        // The patterns are learned from the first response; then the route is known at once.
        get(&server, "/plain");
        assert_eq!(place(&get(&server, "/plain")), "loop");
    }

    std::fs::write(&file, "no profile").expect("writes");
    assert!(
        start().report().routes.is_empty(),
        "a damaged file is ignored"
    );
    std::fs::remove_dir_all(&folder).expect("cleans up");
}

#[test]
fn guards_that_lead_past_a_pattern_are_learned() {
    #[get("/users/{id}")]
    async fn user() -> &'static str {
        "light"
    }
    #[actix_web::post("/users/import")]
    async fn import() -> &'static str {
        burn(Duration::from_millis(60));
        "heavy"
    }
    #[actix_web::post("/users/{name}")]
    async fn rename() -> &'static str {
        "light"
    }
    let offload = timed()
        .budget(Duration::from_millis(5))
        .build()
        .expect("starts");
    let app = offload.app(|| App::new().service(user).service(import).service(rename));
    let server = TestServer::start(app);
    // actix's own map of patterns says `/users/{id}` for each of these, whatever the method.
    let post = |path: &str| {
        let request = format!("POST {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        ask(&server, &request)
    };
    wait_until("on the loop", || place(&post("/users/ada")) == "loop");
    for _ in 0..3 {
        assert_eq!(
            place(&post("/users/import")),
            "lane",
            "{:?}",
            offload.report()
        );
    }
    assert_eq!(place(&post("/users/ada")), "loop");
    let report = offload.report();
    let named = |method: &str, pattern: &str| {
        report
            .routes
            .iter()
            .any(|route| route.method == method && route.pattern == pattern)
    };
    assert!(
        named("POST", "/users/import") && named("POST", "/users/{name}"),
        "{report:?}"
    );
    assert!(!named("POST", "/users/{id}"), "{report:?}");
    assert!(
        report.event_loops[0].longest_poll_seconds < 0.03,
        "{report:?}"
    );
}

#[test]
fn bad_requests_do_not_bring_a_heavy_route_to_the_loop() {
    async fn heavy(n: web::Path<u64>) -> String {
        burn(Duration::from_millis(60));
        n.to_string()
    }
    let offload = timed()
        .budget(Duration::from_millis(20))
        .build()
        .expect("starts");
    let app = offload.app(|| App::new().route("/heavy/{n}", web::get().to(heavy)));
    let server = TestServer::start(app);
    for _ in 0..2 {
        for _ in 0..40 {
            let refused = get(&server, "/heavy/abc");
            assert_eq!((status(&refused), place(&refused).as_str()), (404, "lane"));
        }
        assert_eq!(place(&get(&server, "/heavy/7")), "lane");
    }
}

#[test]
fn a_flood_of_paths_and_methods_adds_no_routes() {
    let offload = timed().build().expect("starts");
    let server = TestServer::start(offload.app(|| App::new().service(plain)));
    let mut connection = Connection::open(server.addr()).expect("connects");
    for n in 0..500 {
        for line in [format!("GET /nothing/{n}/here"), format!("ODD{n} /plain")] {
            let request = format!("{line} HTTP/1.1\r\nHost: test\r\n\r\n");
            connection.send(request.as_bytes()).expect("sends");
            let response = connection.read_response().expect("answers");
            assert_eq!(status(&response), 404);
        }
    }
    let routes: BTreeSet<String> = offload
        .report()
        .routes
        .iter()
        .map(|route| format!("{} {}", route.method, route.pattern))
        .collect();
    let expected = ["(extension) /plain", "GET (unmatched)"].map(String::from);
    assert_eq!(routes, BTreeSet::from(expected));
}

#[test]
fn a_default_service_that_is_pinned_has_the_data_of_its_connection() {
    async fn connection(request: actix_web::HttpRequest) -> String {
        format!("{:?}", request.conn_data::<&str>())
    }
    let offload = timed().pin("GET", "(unmatched)", Placement::Loop);
    let offload = offload.build().expect("starts");
    let app = offload.app(|| {
        let default = web::to(connection);
        App::new().service(plain).default_service(default)
    });
    let server = TestServer::builder().start_with(app, |server| {
        server.on_connect(|_, data| {
            data.insert("the connection's");
        })
    });
    let ask = || text(&get(&server, "/nothing/there"));
    wait_until("it is pinned", || ask() == r#"Some("the connection's")"#);
    for _ in 0..10 {
        assert_eq!(ask(), r#"Some("the connection's")"#);
    }
    assert_eq!(
        place(&get(&server, "/plain")),
        "lane",
        "nothing is known of it"
    );
}

#[test]
fn server_timing_is_off_unless_asked_for() {
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| App::new().service(plain)));
    for _ in 0..10 {
        assert_eq!(header(&get(&server, "/plain"), "server-timing"), None);
    }
}

#[test]
fn an_error_whose_response_panics_is_a_500_wherever_it_is_made() {
    #[derive(Debug)]
    struct Unspeakable;

    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("unspeakable")
        }
    }

    impl actix_web::ResponseError for Unspeakable {
        fn error_response(&self) -> HttpResponse {
            std::panic::resume_unwind(Box::new("the error response panics"))
        }
    }

    // The timing is added to the response that an error will be, which therefore is made early.
    for placement in [Placement::Loop, Placement::Lane] {
        let offload = timed().pin("GET", "/fails", placement);
        let offload = offload.build().expect("starts");
        // A handler's error is a response already when it leaves actix's routing; a middleware's is not.
        let app = offload.app(|| {
            let fails = from_fn(|request: ServiceRequest, next: Next<BoxBody>| async move {
                if request.path() == "/fails" {
                    return Err(actix_web::Error::from(Unspeakable));
                }
                next.call(request).await
            });
            let never = web::get().to(HttpResponse::Ok);
            App::new().wrap(fails).service(plain).route("/fails", never)
        });
        let server = TestServer::start(app);
        for _ in 0..3 {
            assert_eq!(status(&get(&server, "/fails")), 500, "{placement}");
        }
        assert_eq!(status(&get(&server, "/plain")), 200);
        let report = offload.report();
        let route = report.routes.iter().find(|route| route.pattern == "/fails");
        assert_eq!(route.expect("met").panics, 3, "{placement}");
    }
}
