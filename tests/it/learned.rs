//! What is light at first and then is not leaves its event loop, however its runs begin and end, whatever makes them long, and
//! whatever tells them apart. `actix_offload`'s simulation has the same without a machine's noise: not two heavy runs in a row.

use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use actix_offload::{Offload, Placement};
use actix_web::{
    App, Error, HttpRequest, HttpResponse, Responder,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error,
    http::Method,
    middleware::{Next, from_fn},
    rt,
    web::{self, Bytes},
};
use futures_util::{StreamExt, stream};
use offload_tests::{client::Client, response::RawResponse, server::TestServer, work::burn};

use crate::gate::wait_until;

const LONG: Duration = Duration::from_millis(20);

/// Which runs are long, and what they have shown.
#[derive(Default)]
struct World {
    long: AtomicBool,
    runs: AtomicUsize,
    /// How many long runs there were on the event loop, and in all.
    on_loop: AtomicUsize,
    all: AtomicUsize,
}

impl World {
    /// Counts a run. True if it is a long one, which one in so many are.
    fn is_long(&self, one_in: usize) -> bool {
        let run = self.runs.fetch_add(1, SeqCst);
        let long = self.long.load(SeqCst) && run.is_multiple_of(one_in);
        if long {
            let thread = thread::current();
            let on_loop = thread.name().is_some_and(|name| name.starts_with("actix-"));
            self.on_loop.fetch_add(usize::from(on_loop), SeqCst);
            self.all.fetch_add(1, SeqCst);
        }
        long
    }
}

type Shared = web::Data<World>;

async fn sleeps(world: Shared) -> impl Responder {
    if world.is_long(2) {
        thread::sleep(LONG);
    }
    "slept"
}

async fn sleeps_seldom(world: Shared) -> impl Responder {
    if world.is_long(40) {
        thread::sleep(LONG);
    }
    "slept"
}

/// Computes, and then waits for longer than its client does.
async fn computes_and_waits(world: Shared) -> impl Responder {
    if world.is_long(1) {
        burn(LONG);
        std::future::pending::<()>().await;
    }
    "waited"
}

async fn fails(world: Shared) -> actix_web::Result<&'static str> {
    if world.is_long(1) {
        burn(LONG);
        return Err(error::ErrorImATeapot("fails"));
    }
    Ok("works")
}

async fn panics(world: Shared) -> impl Responder {
    if world.is_long(1) {
        burn(LONG);
        std::panic::resume_unwind(Box::new("panics"));
    }
    "works"
}

/// Computes in the second piece of its body, which no client waits for.
async fn streams(world: Shared) -> impl Responder {
    let long = world.is_long(1);
    let pieces = stream::iter(0..3).then(move |piece| async move {
        if long && piece == 1 {
            burn(LONG);
        }
        if long && piece == 2 {
            std::future::pending::<()>().await;
        }
        Ok::<_, actix_web::Error>(Bytes::from_static(b"piece"))
    });
    HttpResponse::Ok().streaming(pieces)
}

/// Computes before it answers.
async fn computes(request: HttpRequest, world: Shared) -> impl Responder {
    if world.is_long(1) {
        burn(LONG);
    }
    request.method().to_string()
}

/// Computes when it has all of its body.
async fn reads(body: Bytes, world: Shared) -> impl Responder {
    if world.is_long(1) {
        burn(LONG);
    }
    body
}

/// The app's default service.
async fn matches_nothing(world: Shared) -> impl Responder {
    if world.is_long(1) {
        burn(LONG);
    }
    HttpResponse::NotFound().body("nothing")
}

async fn light() -> impl Responder {
    "light"
}

/// Computes in a task of its own.
async fn spawns(world: Shared) -> impl Responder {
    rt::spawn(async move {
        if world.is_long(1) {
            burn(LONG);
        }
    });
    "spawned"
}

/// Computes a little too much, waits, and only then computes for long.
async fn computes_twice(world: Shared) -> impl Responder {
    if world.is_long(1) {
        burn(Duration::from_micros(200));
        rt::task::yield_now().await;
        burn(LONG);
    }
    "twice"
}

type Wrapped<B> = Result<ServiceResponse<B>, Error>;

fn world_of(request: &ServiceRequest) -> Shared {
    request.app_data::<Shared>().expect("an app's data").clone()
}

async fn computes_before(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Wrapped<impl MessageBody> {
    if world_of(&request).is_long(1) {
        burn(LONG);
    }
    next.call(request).await
}

async fn computes_after(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Wrapped<impl MessageBody> {
    let world = world_of(&request);
    let response = next.call(request).await;
    if world.is_long(1) {
        burn(LONG);
    }
    response
}

/// As one that checks a password.
async fn computes_and_refuses(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Wrapped<impl MessageBody> {
    if world_of(&request).is_long(1) {
        burn(LONG);
        return Err(error::ErrorUnauthorized("refused"));
    }
    next.call(request).await
}

fn routes(config: &mut web::ServiceConfig) {
    let odd = |method: &[u8]| web::method(Method::from_bytes(method).expect("a method"));
    config
        .route("/sleeps", web::get().to(sleeps))
        .route("/sleeps-seldom", web::get().to(sleeps_seldom))
        .route("/computes-and-waits", web::get().to(computes_and_waits))
        .route("/computes-twice", web::get().to(computes_twice))
        .route("/fails", web::get().to(fails))
        .route("/panics", web::get().to(panics))
        .route("/streams", web::get().to(streams))
        .route("/computes", web::get().to(computes))
        .route("/head", web::head().to(computes))
        .route("/reads", web::post().to(reads))
        .route("/spawns", web::get().to(spawns))
        .service(
            web::resource("/odd")
                .route(odd(b"PURGE").to(computes))
                .route(odd(b"BREW").to(computes)),
        )
        .service(
            web::resource("/before")
                .wrap(from_fn(computes_before))
                .to(light),
        )
        .service(
            web::resource("/after")
                .wrap(from_fn(computes_after))
                .to(light),
        )
        .service(
            web::resource("/refuses")
                .wrap(from_fn(computes_and_refuses))
                .to(light),
        )
        .default_service(web::to(matches_nothing));
}

/// How a client of these tests asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Waits,
    /// Leaves as soon as its request has begun.
    Leaves,
    /// Sends bodies of so many bytes at first, and of so many when the runs are long.
    Sends(usize, usize),
    /// Sends bodies whose length nothing says beforehand.
    SendsInChunks,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// The route by its name in reports.
    route: (&'static str, &'static str),
    /// Methods and targets, by turns.
    requests: &'static [(&'static str, &'static str)],
    asks: Asks,
    /// One in so many is long.
    one_in: usize,
}

impl Case {
    const fn of(
        route: (&'static str, &'static str),
        requests: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            route,
            requests,
            asks: Asks::Waits,
            one_in: 1,
        }
    }

    const fn asks(self, asks: Asks) -> Self {
        Self { asks, ..self }
    }

    const fn one_in(self, one_in: usize) -> Self {
        Self { one_in, ..self }
    }

    fn ask(&self, http: Client, n: usize, long: bool) -> RawResponse {
        let (method, target) = self.requests[n % self.requests.len()];
        let answer = match self.asks {
            Asks::Sends(light, heavy) => {
                let body = vec![b'x'; if long { heavy } else { light }];
                http.ask(method, target, &[], &body)
            }
            Asks::SendsInChunks => http.ask_in_chunks(method, target, &[], &[b"one", b"two"]),
            Asks::Waits | Asks::Leaves => http.ask(method, target, &[], b""),
        };
        answer.expect("answers")
    }
}

/// What a run can begin and end with, and what it can be told apart by. Of each, no more than one or two long runs are on the loop.
const CASES: [Case; 18] = [
    // How it takes long.
    Case::of(("GET", "/sleeps"), &[("GET", "/sleeps")]).one_in(2),
    Case::of(("GET", "/sleeps-seldom"), &[("GET", "/sleeps-seldom")]).one_in(40),
    Case::of(("GET", "/computes-twice"), &[("GET", "/computes-twice")]),
    // How it ends.
    Case::of(
        ("GET", "/computes-and-waits"),
        &[("GET", "/computes-and-waits")],
    )
    .asks(Asks::Leaves),
    Case::of(("GET", "/fails"), &[("GET", "/fails")]),
    Case::of(("GET", "/panics"), &[("GET", "/panics")]),
    Case::of(("GET", "/streams"), &[("GET", "/streams")]).asks(Asks::Leaves),
    // What is around the handler.
    Case::of(("GET", "/before"), &[("GET", "/before")]),
    Case::of(("GET", "/after"), &[("GET", "/after")]),
    Case::of(("GET", "/refuses"), &[("GET", "/refuses")]),
    // What it is told apart by.
    Case::of(("HEAD", "/head"), &[("HEAD", "/head")]),
    Case::of(("(extension)", "/odd"), &[("PURGE", "/odd")]),
    // All methods that are none of the standard's are one route.
    Case::of(
        ("(extension)", "/odd"),
        &[("PURGE", "/odd"), ("BREW", "/odd")],
    ),
    Case::of(
        ("GET", "(unmatched)"),
        &[("GET", "/no"), ("GET", "/nobody"), ("GET", "/no/where")],
    ),
    // However it is spelt, and whatever is asked of it.
    Case::of(
        ("GET", "/computes"),
        &[
            ("GET", "/c%6fmputes"),
            ("GET", "/computes?a=1"),
            ("GET", "/%63omputes"),
        ],
    ),
    // What is known of one size says nothing of another, which begins on a lane.
    Case::of(("POST", "/reads"), &[("POST", "/reads")]).asks(Asks::Sends(100, 100)),
    Case::of(("POST", "/reads"), &[("POST", "/reads")]).asks(Asks::Sends(100, 5_000)),
    Case::of(("POST", "/reads"), &[("POST", "/reads")]).asks(Asks::SendsInChunks),
];

#[test]
fn a_route_that_has_shown_itself_heavy_leaves_the_loop() {
    for case in CASES {
        let (on_loop, all) = long_runs(case);
        // The first, and one or two more where that could not be told from a thread that the kernel had set aside. Who is light
        // for dozens of runs is tried on the loop again, at ever greater distances.
        let most = match case.asks {
            Asks::Sends(light, heavy) if light != heavy => 0,
            _ if case.one_in > 1 => 4,
            _ => 2,
        };
        assert!(on_loop <= most, "{case:?}: {on_loop} of {all} on the loop");
        assert!(on_loop >= most.min(1), "{case:?} was not learned as light");
    }
}

/// The one way around all that: nobody can tell for whom a task computes that a handler has spawned. It is here so that the
/// documentation is changed when this is.
#[test]
fn what_a_handler_spawns_is_nobodys() {
    let case = Case::of(("GET", "/spawns"), &[("GET", "/spawns")]);
    let (on_loop, all) = long_runs(case);
    assert!(on_loop > 4, "{on_loop} of {all} on the loop");
}

/// Nor does a heavy route come back because its heavy runs are all left by their clients.
#[test]
fn who_leaves_a_lane_has_shown_what_he_has_cost() {
    let (offload, world, server) = start();
    let http = Client::new(server.addr());
    let route = || {
        let routes = offload.report().routes;
        routes
            .into_iter()
            .find(|route| route.pattern == "/computes-and-waits")
    };
    // Light ones show what it is called; too few of them in a row to come to the loop.
    for left in 1..=8 {
        for _ in 0..5 {
            assert_eq!(
                http.get("/computes-and-waits").expect("answers").status(),
                200
            );
        }
        world.long.store(true, SeqCst);
        let mut stream = TcpStream::connect(server.addr()).expect("connects");
        stream
            .write_all(b"GET /computes-and-waits HTTP/1.1\r\nHost: test\r\n\r\n")
            .expect("sends");
        wait_until("it has begun", || world.all.load(SeqCst) == left);
        // It leaves while that computes, or waits.
        drop(stream);
        world.long.store(false, SeqCst);
        wait_until("it is stopped", || {
            route().is_some_and(|route| route.cancelled == left as u64)
        });
    }
    let route = route().expect("it is known");
    assert_eq!((route.placement, route.loop_runs), (Placement::Lane, 0));
}

fn start() -> (Offload, Shared, TestServer) {
    let patience = Duration::from_secs(300);
    let offload = Offload::builder()
        .lanes(|lanes| lanes.patience(patience..=patience))
        .build()
        .expect("starts");
    let world: Shared = web::Data::from(Arc::<World>::default());
    let data = world.clone();
    let app = move || App::new().app_data(data.clone()).configure(routes);
    // Who closes a connection has left.
    let server = TestServer::builder()
        .workers(1)
        .start_with(offload.app(app), |server| {
            server.h1_allow_half_closed(false)
        });
    (offload, world, server)
}

/// Learns a route as light, and then has some long runs. Returns how many of these were on the event loop, and in all.
fn long_runs(case: Case) -> (usize, usize) {
    const LONG_RUNS: usize = 12;
    let (offload, world, server) = start();
    let http = Client::new(server.addr());
    let asked = AtomicUsize::new(0);
    let ask = |long| case.ask(http, asked.fetch_add(1, SeqCst), long);
    wait_until("learned as light", || {
        ask(false);
        let report = offload.report();
        let mut routes = report.routes.iter();
        let route = routes.find(|route| (&*route.method, &*route.pattern) == case.route);
        route.is_some_and(|route| route.placement == Placement::Loop)
    });
    world.long.store(true, SeqCst);
    for _ in 0..LONG_RUNS * case.one_in {
        if case.asks != Asks::Leaves {
            ask(true);
            continue;
        }
        let begun = world.all.load(SeqCst);
        let (method, target) = case.requests[0];
        let mut stream = TcpStream::connect(server.addr()).expect("connects");
        let request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sends");
        wait_until("begun", || world.all.load(SeqCst) > begun);
    }
    // What was spawned may come behind its answer.
    wait_until("all have run", || world.all.load(SeqCst) >= LONG_RUNS);
    (world.on_loop.load(SeqCst), world.all.load(SeqCst))
}
