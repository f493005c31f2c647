//! Instructions per light request, hop and placement decision of actix's plugin. [`counting`] says how they are counted.

use std::{hint::black_box, process::ExitCode, time::Duration};

use actix_http::Request;
use actix_offload::{Offload, Placement};
use actix_service::IntoServiceFactory;
use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{AppConfig, Service, ServiceFactory},
    test::TestRequest,
    web,
};
use futures_util::FutureExt;
use offload_benches::{
    Way,
    counting::{self, Case, Limit, case},
    lanes, on_event_loop, service,
};
use offload_core::{
    Lanes,
    cost::{BodySize, SizeBucket},
    placement::Rules,
    routes::{Observation, RouteTable},
};

const CASES: &[Case] = &[
    case("service, bare, 10 routes", 2_000, Limit::None),
    case("service, bare, 100 routes", 2_000, Limit::None),
    case("service, bare, 1000 routes", 2_000, Limit::None),
    case(
        "service, offload.app, 10 routes",
        2_000,
        Limit::Over("service, bare, 10 routes", 2_000),
    ),
    case(
        "service, offload.app, 100 routes",
        2_000,
        Limit::Over("service, bare, 100 routes", 2_000),
    ),
    case(
        "service, offload.app, 1000 routes",
        2_000,
        Limit::Over("service, bare, 1000 routes", 2_000),
    ),
    case("socket, bare", 2_000, Limit::None),
    case(
        "socket, offload.app",
        2_000,
        Limit::Over("socket, bare", 2_200),
    ),
    case("placement decision", 5_000, Limit::Of(100)),
    case("hop, offload", 500, Limit::Of(25_000)),
    case("hop, web::block", 500, Limit::None),
    case("hop, tokio-rayon", 500, Limit::None),
];

async fn index() -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

/// An app of `n` routes, of which the first is asked.
fn configure(n: usize) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.route("/", web::get().to(index));
        for i in 1..n {
            config.route(&format!("/area{i}/things/{{id}}"), web::get().to(index));
        }
    }
}

/// What an event loop says of itself it says with a stall watch and without. The watch's own thread works by time, of which
/// there is fifty times as much for each request here; what it takes is measured by `--bench watch`.
fn offload() -> Offload {
    Offload::builder()
        .pin("GET", "/", Placement::Loop)
        .stall_watch(None)
        .build()
        .expect("starts")
}

/// Calls a service as actix's dispatcher does, once and after `learned` another `rounds` times.
fn call<S, F>(factory: F, rounds: u64, learned: impl FnOnce())
where
    F: ServiceFactory<Request, Config = AppConfig, Service = S>,
    F::InitError: std::fmt::Debug,
    S: Service<Request>,
    S::Error: std::fmt::Debug,
{
    on_event_loop(async {
        let service = service(factory).await;
        let call = || {
            let answer = service.call(TestRequest::with_uri("/").to_request());
            drop(black_box(answer.now_or_never().expect("answers at once")));
        };
        call();
        learned();
        for _ in 0..rounds {
            call();
        }
    });
}

/// The first answer has a lane read the app's patterns, which takes longer than many rounds where these are many.
fn wait_for(lanes: &Lanes) {
    while lanes.running() + lanes.queued() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Serves until standard input ends, with one event loop.
fn serve<F, I, S, B>(factory: F)
where
    F: Fn() -> I + Send + Clone + 'static,
    I: actix_service::IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: std::fmt::Debug,
    S::Response: Into<actix_http::Response<B>>,
    B: actix_web::body::MessageBody + 'static,
{
    on_event_loop(async {
        let server = HttpServer::new(factory).workers(1).disable_signals();
        let server = server.bind(("127.0.0.1", 0)).expect("binds");
        println!("{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        std::thread::spawn(move || {
            counting::until_counted();
            drop(handle.stop(false));
        });
        server.await.expect("serves");
    });
}

fn hop(way: Way, rounds: u64) {
    let lanes = lanes();
    on_event_loop(async {
        for round in 0..rounds {
            black_box(way.run(&lanes, move || round + 1).await);
        }
    });
}

fn decide(rounds: u64) {
    let table = RouteTable::new(Rules::default());
    let route = table.route(0, "GET", "/");
    let bucket = SizeBucket::of(BodySize::Known(0));
    let observation = Observation {
        cost: Duration::from_micros(10),
        ran: Placement::Lane,
        queued: None,
    };
    for _ in 0..10 {
        route.observe(bucket, observation);
    }
    for _ in 0..rounds {
        black_box(black_box(&route).place(black_box(bucket)));
    }
}

/// The child: runs one case.
fn run(name: &str, rounds: u64) {
    let routes = |name: &str| {
        let number = name.split(' ').rev().nth(1).expect("a number of routes");
        configure(number.parse().expect("a number of routes"))
    };
    match name {
        "socket, bare" => serve(|| App::new().configure(configure(10))),
        "socket, offload.app" => serve(offload().app(|| App::new().configure(configure(10)))),
        "placement decision" => decide(rounds),
        "hop, offload" => hop(Way::Lane, rounds),
        "hop, web::block" => hop(Way::WebBlock, rounds),
        "hop, tokio-rayon" => hop(Way::TokioRayon, rounds),
        name if name.starts_with("service, bare") => {
            let app = App::new().configure(routes(name));
            call(app.into_factory(), rounds, || {});
        }
        name => {
            let routes = routes(name);
            let offload = offload();
            let app = offload.app(move || App::new().configure(routes.clone()));
            call(app(), rounds, || wait_for(offload.lanes()));
        }
    }
}

fn main() -> ExitCode {
    counting::main(CASES, run, || {
        decide(1);
        hop(Way::Lane, 1);
    })
}
