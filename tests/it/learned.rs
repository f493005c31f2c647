//! What is light at first and then is not leaves its event loop, however its runs end and whatever makes them long.

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
    App, HttpRequest, HttpResponse, Responder, error, rt,
    web::{self, Bytes},
};
use futures_util::{StreamExt, stream};
use offload_tests::{client::Client, server::TestServer, work::burn};

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
        rt::time::sleep(Duration::from_secs(600)).await;
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
            rt::time::sleep(Duration::from_secs(600)).await;
        }
        Ok::<_, actix_web::Error>(Bytes::from_static(b"piece"))
    });
    HttpResponse::Ok().streaming(pieces)
}

/// Computes before it answers nothing but a head.
async fn head(request: HttpRequest, world: Shared) -> impl Responder {
    if world.is_long(1) {
        burn(LONG);
    }
    request.method().to_string()
}

/// How a client of these tests asks.
#[derive(Clone, Copy, Debug)]
enum Asks {
    Waits,
    /// Leaves as soon as its request has begun.
    Leaves,
}

#[test]
fn a_route_that_has_shown_itself_heavy_leaves_the_loop() {
    let cases = [
        ("GET", "/sleeps", Asks::Waits, 2),
        ("GET", "/sleeps-seldom", Asks::Waits, 40),
        ("GET", "/computes-and-waits", Asks::Leaves, 1),
        ("GET", "/fails", Asks::Waits, 1),
        ("GET", "/panics", Asks::Waits, 1),
        ("GET", "/streams", Asks::Leaves, 1),
        ("HEAD", "/head", Asks::Waits, 1),
    ];
    for (method, path, client, one_in) in cases {
        let (on_loop, all) = long_runs(method, path, client, one_in);
        // The first, and one or two more where that could not be told from a thread that the kernel had set aside. Who is light
        // for dozens of runs is tried on the loop again, at ever greater distances.
        let most = if one_in > 1 { 4 } else { 2 };
        assert!(
            on_loop <= most,
            "{method} {path}: {on_loop} of {all} on the loop"
        );
        assert!(on_loop >= 1, "{method} {path} was not learned as light");
    }
}

/// Learns a route as light, and then has some long runs. Returns how many of these were on the event loop, and in all.
fn long_runs(method: &str, path: &str, client: Asks, one_in: usize) -> (usize, usize) {
    const LONG_RUNS: usize = 12;
    let patience = Duration::from_secs(300);
    let offload = Offload::builder()
        .patience(patience, 16, patience)
        .build()
        .expect("starts");
    let world: Shared = web::Data::from(Arc::<World>::default());
    let data = world.clone();
    let app = move || {
        App::new()
            .app_data(data.clone())
            .route("/sleeps", web::get().to(sleeps))
            .route("/sleeps-seldom", web::get().to(sleeps_seldom))
            .route("/computes-and-waits", web::get().to(computes_and_waits))
            .route("/fails", web::get().to(fails))
            .route("/panics", web::get().to(panics))
            .route("/streams", web::get().to(streams))
            .route("/head", web::head().to(head))
    };
    let server = TestServer::builder().workers(1).start(offload.app(app));
    let http = Client::new(server.addr());
    let ask = || http.ask(method, path, &[], b"").expect("answers");
    wait_until("learned as light", || {
        ask();
        let report = offload.report();
        let mut routes = report.routes.iter();
        let route = routes.find(|route| route.pattern == path);
        route.is_some_and(|route| route.placement == Placement::Loop)
    });
    world.long.store(true, SeqCst);
    for _ in 0..LONG_RUNS * one_in {
        match client {
            Asks::Waits => drop(ask()),
            Asks::Leaves => {
                let begun = world.all.load(SeqCst);
                let mut stream = TcpStream::connect(server.addr()).expect("connects");
                let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n");
                stream.write_all(request.as_bytes()).expect("sends");
                wait_until("begun", || world.all.load(SeqCst) > begun);
            }
        }
    }
    (world.on_loop.load(SeqCst), world.all.load(SeqCst))
}
