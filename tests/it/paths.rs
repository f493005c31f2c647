//! Requests whose path a middleware changes, or that guards lead elsewhere: they are booked where actix took them, and pins hold.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use actix_offload::{Offload, OffloadBuilder, Placement, RouteReport};
use actix_web::{
    App, HttpRequest, HttpResponse, Responder,
    dev::ServiceRequest,
    guard,
    http::header,
    middleware::{Next, NormalizePath, TrailingSlash, from_fn},
    web,
};
use offload_tests::{connection::Connection, server::TestServer, work::burn};

use crate::gate::wait_until;

/// Far above the budget of these tests, and far above what a busy machine makes of a light handler's cost.
const HEAVY: Duration = Duration::from_millis(60);

fn builder() -> OffloadBuilder {
    Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .budget(Duration::from_millis(5))
        .lanes(|lanes| lanes.patience(Duration::from_secs(60)..=Duration::from_secs(60)))
}

fn here() -> &'static str {
    let thread = thread::current();
    let lane = thread
        .name()
        .is_some_and(|name| name.starts_with("offload-"));
    if lane { "lane" } else { "loop" }
}

async fn light() -> impl Responder {
    here()
}

async fn heavy() -> impl Responder {
    burn(HEAVY);
    here()
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/about", web::get().to(light))
        .route("/heavy", web::get().to(heavy))
        .route("/{tail:.*}", web::get().to(light));
}

struct Client(Connection);

impl Client {
    fn of(server: &TestServer) -> Self {
        Self(Connection::open(server.addr()).expect("connects"))
    }

    /// Asks for `path` and gets where it ran.
    fn get(&mut self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    fn send(&mut self, request: &str) -> String {
        self.0.send(request.as_bytes()).expect("sends");
        let response = self.0.read_response().expect("answers");
        assert_eq!(response.status(), 200, "{request}");
        String::from_utf8(response.body.to_vec()).expect("a word")
    }

    /// How many of `count` requests ran on a lane.
    fn on_lanes(&mut self, count: usize, path: impl Fn(usize) -> String) -> usize {
        (0..count).filter(|n| self.get(&path(*n)) == "lane").count()
    }

    /// Asks until the route runs on its event loop.
    fn warm(&mut self, path: &str) {
        for _ in 0..1000 {
            if self.get(path) == "loop" {
                return;
            }
        }
        panic!("{path} never came to the event loop");
    }
}

fn page(n: usize) -> String {
    format!("/pages/{n}")
}

fn route(offload: &Offload, pattern: &str) -> RouteReport {
    let routes = offload.report().routes;
    let found = routes.into_iter().find(|route| route.pattern == pattern);
    found.unwrap_or_else(|| panic!("no route {pattern}"))
}

fn normalized(offload: &Offload) -> TestServer {
    let app = || App::new().wrap(NormalizePath::trim()).configure(routes);
    TestServer::start(offload.app(app))
}

#[test]
fn a_light_page_with_a_slash_too_many_keeps_no_other_pages_on_lanes() {
    let offload = builder().build().expect("starts");
    let server = normalized(&offload);
    let mut client = Client::of(&server);
    client.warm("/pages/first");
    client.get("/about/");
    // A run that a busy machine makes dear may send the route away for a few.
    let on_lanes = client.on_lanes(500, page);
    assert!(on_lanes < 100, "{on_lanes} of 500 pages ran on lanes");
    client.warm("/about/");
    let about = route(&offload, "/about");
    assert!(about.loop_runs > 0 && about.lane_runs > 0, "{about:?}");
}

#[test]
fn a_heavy_request_that_looks_like_a_light_page_is_not_booked_as_one() {
    let offload = builder().build().expect("starts");
    let server = normalized(&offload);
    let mut client = Client::of(&server);
    client.warm("/pages/first");
    for _ in 0..4 {
        assert_eq!(client.get("//heavy"), "lane");
        assert_eq!(client.get("/heavy//"), "lane");
        assert_eq!(client.get("//h%65avy"), "lane");
    }
    let on_lanes = client.on_lanes(500, page);
    assert!(on_lanes < 100, "{on_lanes} of 500 pages ran on lanes");
    let heavy = route(&offload, "/heavy");
    assert_eq!((heavy.lane_runs, heavy.loop_runs), (12, 0), "{heavy:?}");
}

#[test]
fn a_pin_holds_for_the_route_that_actix_chooses() {
    let offload = builder()
        .pin("GET", "/{tail:.*}", Placement::Loop)
        .pin("GET", "/heavy", Placement::Lane)
        .build()
        .expect("starts");
    let server = normalized(&offload);
    let mut client = Client::of(&server);
    assert_eq!(client.on_lanes(16, |_| "//heavy".to_owned()), 16);
    assert_eq!(client.on_lanes(100, page), 0);
    assert_eq!(client.on_lanes(16, |_| "/heavy/".to_owned()), 16);
    assert_eq!(client.on_lanes(100, page), 0, "nothing came in doubt");
}

/// A middleware of the app's own: `/old/…` is what `/…` was once.
async fn modernise(
    mut request: ServiceRequest,
    next: Next<impl actix_web::body::MessageBody>,
) -> Result<actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>, actix_web::Error> {
    if let Some(path) = request.path().strip_prefix("/old") {
        let uri: actix_web::http::Uri = path.parse().expect("a path");
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

#[test]
fn doubt_in_a_route_is_forgotten_when_nothing_recurs() {
    let offload = builder()
        .pin("GET", "/{tail:.*}", Placement::Loop)
        .pin("GET", "/heavy", Placement::Lane)
        .build()
        .expect("starts");
    let app = || App::new().wrap(from_fn(modernise)).configure(routes);
    let server = TestServer::start(offload.app(app));
    let mut client = Client::of(&server);
    wait_until("the patterns are known", || {
        Client::of(&server).get("/about");
        offload
            .report()
            .routes
            .iter()
            .any(|route| route.pattern == "/about")
    });
    assert_eq!(client.get("/old/heavy"), "loop", "nobody could know it");
    assert_eq!(route(&offload, "/heavy").loop_runs, 1);
    assert_eq!(client.get("/old/heavy"), "lane", "now it may be this one");
    assert_eq!(route(&offload, "/{tail:.*}").placement, Placement::Lane);
    assert_eq!(
        client.on_lanes(500, page),
        16,
        "so many of its own in a row"
    );
    let pages = route(&offload, "/{tail:.*}");
    assert_eq!(pages.placement, Placement::Loop);
    assert_eq!(pages.lane_runs, 16, "what was another's is booked there");
    assert_eq!(route(&offload, "/heavy").lane_runs, 1);
    // The second time it takes four times as many.
    assert_eq!(client.get("/old/heavy"), "loop");
    assert_eq!(client.on_lanes(500, page), 64);
}

#[test]
fn a_slash_that_a_middleware_appends_is_foreseen_from_the_first_time_on() {
    let offload = builder()
        .pin("GET", "/{tail:.*}", Placement::Loop)
        .pin("GET", "/heavy/", Placement::Lane)
        .build()
        .expect("starts");
    let app = || {
        App::new()
            .wrap(NormalizePath::new(TrailingSlash::Always))
            .route("/heavy/", web::get().to(heavy))
            .route("/{tail:.*}", web::get().to(light))
    };
    let server = TestServer::start(offload.app(app));
    let mut client = Client::of(&server);
    client.get("/pages/first");
    wait_until("the patterns are known", || {
        offload
            .report()
            .routes
            .iter()
            .any(|route| route.lane_runs + route.loop_runs > 0)
    });
    client.get("/heavy");
    assert_eq!(client.on_lanes(15, |_| "/heavy".to_owned()), 15);
    client.on_lanes(16, page);
    assert_eq!(client.on_lanes(16, |_| "/heavy".to_owned()), 16);
    assert_eq!(
        client.on_lanes(100, page),
        0,
        "no page is in doubt any more"
    );
}

#[test]
fn what_guards_lead_elsewhere_is_booked_there() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    async fn imports(_: HttpRequest) -> impl Responder {
        RUNS.fetch_add(1, SeqCst);
        burn(HEAVY);
        HttpResponse::Ok()
            .insert_header(header::ContentType::plaintext())
            .body(here())
    }
    let offload = builder().build().expect("starts");
    let app = || {
        App::new()
            .service(
                web::resource("/{name}")
                    .guard(guard::Not(guard::Header("x-import", "yes")))
                    .to(light),
            )
            .service(web::resource("/import").to(imports))
    };
    let server = TestServer::start(offload.app(app));
    let mut client = Client::of(&server);
    client.warm("/some");
    let import = "GET /import HTTP/1.1\r\nHost: test\r\nX-Import: yes\r\n\r\n";
    client.send(import);
    assert_eq!(client.send(import), "lane", "now it may be this one");
    let heavy = route(&offload, "/import");
    assert_eq!(
        (heavy.loop_runs + heavy.lane_runs) as usize,
        RUNS.load(SeqCst)
    );
    let on_lanes = client.on_lanes(500, |_| "/some".to_owned());
    assert!(on_lanes < 100, "{on_lanes} of 500 ran on lanes");
}

#[test]
fn the_annotation_of_a_route_pins_no_other() {
    #[actix_offload::offload]
    async fn annotated() -> String {
        here().to_owned()
    }
    let offload = builder()
        .rules(|rules| rules.unknown = Placement::Loop)
        .build()
        .expect("starts");
    let app = || {
        App::new()
            .wrap(from_fn(modernise))
            .route("/annotated", web::get().to(annotated))
            .configure(routes)
    };
    let server = TestServer::start(offload.app(app));
    let mut client = Client::of(&server);
    client.warm("/pages/first");
    wait_until("the patterns are known", || {
        Client::of(&server).get("/pages/again");
        offload
            .report()
            .routes
            .iter()
            .any(|route| route.pattern == "/{tail:.*}")
    });
    client.get("/old/annotated");
    let pinned = |pattern| route(&offload, pattern).pinned_by.is_some();
    assert!(pinned("/annotated") && !pinned("/{tail:.*}"));
}
