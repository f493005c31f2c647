//! Every heavy route of the demo leaves its event loops alone, from the first request on.

use std::{thread, time::Duration};

use actix_web::App;
use demo_app::{Demo, cli::Args, server::settings};
use offload_tests::{client::Client, loop_watch::LoopWatch, server::TestServer};

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
    let check = |answer: std::io::Result<offload_tests::response::RawResponse>, what: &str| {
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        let ok = answer.status_line.starts_with(b"HTTP/1.1 200 ");
        assert!(
            ok,
            "{what}: {}",
            String::from_utf8_lossy(&answer.status_line)
        );
    };
    thread::scope(|scope| {
        for target in gets {
            scope.spawn(move || (0..2).for_each(|_| check(client().get(target), target)));
        }
        for (target, body) in posts {
            scope.spawn(move || {
                (0..2).for_each(|_| check(client().post_json(target, body), target))
            });
        }
        for _ in 0..40 {
            check(client().get("/"), "/");
        }
    });
}

#[test]
fn no_heavy_route_blocks_an_event_loop_not_even_by_its_first_request() {
    let args = Args {
        threads: Some(2),
        ..Args::default()
    };
    // This is no test of refusals, which a machine that is busy with other things would make.
    let patience = Duration::from_secs(300);
    let settings = settings(&args).lanes(|lanes| lanes.patience(patience..=patience));
    let offload = settings.build().expect("the plugin starts");
    let (demo, watch) = (Demo::auto(offload.clone()), LoopWatch::default());
    let app = offload.app(move || {
        let demo = demo.clone();
        App::new().configure(move |cfg| demo.routes(cfg))
    });
    let server = TestServer::builder().workers(2).start(watch.around(app));
    storm(&server);
    assert!(watch.polls() > 0, "the watch saw nothing");
    // All that is heavy here computes.
    let longest = watch.longest();
    assert!(longest < BRIEF, "a poll computed for {longest:?}");
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
