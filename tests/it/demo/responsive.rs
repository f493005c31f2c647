//! Every heavy route of the demo leaves its event loops alone, from the first request on.

use std::{thread, time::Duration};

use actix_web::App;
use demo_app::{Demo, cli::Args, server::plugin};
use offload_tests::{
    client::Client, loop_watch::LoopWatch, response::RawResponse, server::TestServer,
};

/// What the cheapest of the heavy requests below costs at least.
const HEAVY: Duration = Duration::from_millis(80);

/// Far under [`HEAVY`], far over what a light handler takes.
const BRIEF: Duration = Duration::from_millis(20);

/// Heavy clients on every heavy route at once, each route for the first time, and the light one.
fn storm(server: &TestServer) {
    let numbers = format!("[{}7]", "3,1,2,".repeat(100_000));
    let phc = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$\
               AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let verify = format!(r#"{{"password":"x","phc":"{phc}"}}"#);
    let hash = String::from(r#"{"password":"x"}"#);
    let digest = "x".repeat(4 << 20);
    let gets = [
        "/timer?ms=80",
        "/burn?ms=80",
        "/json/stringify?items=100000",
        "/sort?n=500000",
    ];
    let posts = [
        ("/json/parse", &numbers),
        ("/sort", &numbers),
        ("/hash", &hash),
        ("/verify", &verify),
        ("/digest", &digest),
    ];
    let client = || Client::new(server.addr());
    thread::scope(|scope| {
        for target in gets {
            scope.spawn(move || (0..2).for_each(|_| until_served(target, || client().get(target))));
        }
        for (target, body) in posts {
            let post = move || client().post_json(target, body);
            scope.spawn(move || (0..2).for_each(|_| until_served(target, post)));
        }
        for _ in 0..40 {
            until_served("/", || client().get("/"));
        }
    });
}

/// Asks until it is answered. On a machine that is busy with other things the plugin refuses what would wait too long, and
/// says when to come back.
fn until_served(what: &str, ask: impl Fn() -> std::io::Result<RawResponse>) {
    for _ in 0..120 {
        let answer = ask().unwrap_or_else(|error| panic!("{what}: {error}"));
        let seconds = answer.header("retry-after").map(str::parse);
        match (answer.status(), seconds) {
            (200, _) => return,
            (503, Some(Ok(seconds))) => thread::sleep(Duration::from_secs(seconds)),
            (status, _) => panic!("{what}: {status}"),
        }
    }
    panic!("{what}: refused each time");
}

#[test]
fn no_heavy_route_blocks_an_event_loop_not_even_by_its_first_request() {
    let args = Args {
        threads: Some(2),
        ..Args::default()
    };
    let offload = plugin(&args).expect("the plugin starts");
    let (demo, watch) = (Demo::auto(offload.clone()), LoopWatch::default());
    let app = offload.app(move || {
        let demo = demo.clone();
        App::new().configure(move |cfg| demo.routes(cfg))
    });
    let server = TestServer::builder().workers(2).start(watch.around(app));
    storm(&server);
    assert!(watch.polls() > 0, "the watch saw nothing");
    assert!(watch.longest() < BRIEF, "a poll took {:?}", watch.longest());
    let record = offload.report().event_loops;
    let brief = |seconds: f64| seconds < BRIEF.as_secs_f64();
    assert!(
        record.iter().all(|own| brief(own.longest_poll_seconds)),
        "{record:?}"
    );
}

#[test]
fn with_offload_off_the_same_check_fails() {
    let (demo, watch) = (Demo::off(), LoopWatch::default());
    let app = watch.around(move || {
        let demo = demo.clone();
        App::new().configure(move |cfg| demo.routes(cfg))
    });
    let server = TestServer::builder().workers(2).start(app);
    storm(&server);
    assert!(
        watch.longest() >= HEAVY,
        "a poll took {:?}",
        watch.longest()
    );
}
