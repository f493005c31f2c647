//! A route runs where it was found to belong: unknown and heavy ones on lanes, light ones on workers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use axum::{Router, routing::get};
use offload_tests::{client::Client, work::burn};
use tower_offload::{Placement, offload};

use crate::site::{HEAVY, Site, builder, lanes, side};

#[test]
fn a_route_that_computes_is_on_a_lane_from_its_first_request() {
    let site = Site::new(Router::new().route(
        "/",
        get(async || {
            burn(HEAVY);
            side()
        }),
    ));
    for _ in 0..5 {
        assert_eq!(site.text("/"), "lane");
    }
    let seen = site.report("/");
    assert_eq!((seen.lane_runs, seen.loop_runs), (5, 0));
}

#[test]
fn a_light_route_comes_to_the_workers_and_one_slow_run_sends_it_back() {
    let slow = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&slow);
    let site = Site::new(Router::new().route(
        "/",
        get(async move || {
            if shared.load(SeqCst) {
                burn(HEAVY);
            }
            side()
        }),
    ));
    assert_eq!(site.text("/"), "lane");
    site.learn_get("/");
    assert_eq!(site.text("/"), "worker");
    slow.store(true, SeqCst);
    let slow_on_workers = (0..5).take_while(|_| site.text("/") == "worker").count();
    // Where others computed meanwhile the first one is in doubt, and the second one is measured exactly.
    assert!((1..=2).contains(&slow_on_workers), "{slow_on_workers}");
    slow.store(false, SeqCst);
    assert_eq!(site.text("/"), "lane");
    site.learn_get("/");
    assert_eq!(site.text("/"), "worker");
}

#[test]
fn light_requests_are_answered_while_heavy_ones_run() {
    let app = Router::new().route("/", get(async || side())).route(
        "/heavy",
        get(async || {
            burn(Duration::from_millis(300));
            side()
        }),
    );
    let site = Site::new(app);
    site.learn_get("/");
    let heavy: Vec<_> = (0..8)
        .map(|_| {
            let client = Client::new(site.addr);
            thread::spawn(move || client.get("/heavy").expect("an answer"))
        })
        .collect();
    let mut light = 0;
    while !heavy.iter().all(thread::JoinHandle::is_finished) {
        assert_eq!(site.text("/"), "worker");
        light += 1;
    }
    for asked in heavy {
        let answer = asked.join().expect("no panic");
        assert_eq!((answer.status(), &*answer.body), (200, &b"lane"[..]));
    }
    assert!(light >= 20, "only {light} light requests meanwhile");
}

#[test]
fn pins_hold_whatever_a_route_costs() {
    let compute = async || {
        burn(HEAVY);
        side()
    };
    let pinned = builder(lanes()).pin("GET", "/worker", Placement::Loop).pin(
        "GET",
        "/lane",
        Placement::Lane,
    );
    let app = Router::new().route("/worker", get(compute));
    let site = Site::with(pinned, app.route("/lane", get(async || side())));
    for _ in 0..10 {
        assert_eq!(site.text("/worker"), "worker");
        assert_eq!(site.text("/lane"), "lane");
    }
}

#[offload(crate = ::tower_offload)]
fn hash(number: u32) -> (u32, &'static str) {
    (number + 1, side())
}

#[test]
fn an_offloaded_function_pins_the_route_that_calls_it() {
    let app = Router::new().route(
        "/{calls}",
        get(
            async |axum::extract::Path(calls): axum::extract::Path<bool>| {
                if !calls {
                    return side().to_owned();
                }
                let (_, ran) = hash(1).await;
                ran.to_owned()
            },
        ),
    );
    let site = Site::new(app);
    site.learn("/{calls}", || drop(site.get("/false")));
    assert_eq!(site.text("/false"), "worker");
    assert_eq!(site.text("/true"), "lane");
    for _ in 0..20 {
        assert_eq!(site.text("/false"), "lane");
    }
    assert!(site.report("/{calls}").pinned_by.is_some());
}

#[test]
fn an_offloaded_function_in_a_body_pins_no_other_route() {
    use axum::body::{Body, Bytes};
    use futures_util::{StreamExt, stream};

    let stream = async || {
        Body::from_stream(stream::iter(0..3).then(async |piece| {
            if piece > 0 {
                hash(piece).await;
            }
            Ok::<_, std::io::Error>(Bytes::from_static(b"piece"))
        }))
    };
    let app = Router::new()
        .route("/", get(async || side()))
        .route("/stream", get(stream));
    let stays = builder(lanes()).pin("GET", "/stream", Placement::Loop);
    let site = Site::with(stays, app);
    site.learn_get("/");
    for _ in 0..20 {
        assert_eq!(site.get("/stream").body.len(), 15);
        // On both workers, whichever made the stream.
        for _ in 0..4 {
            assert_eq!(site.text("/"), "worker");
        }
    }
    assert_eq!(site.report("/").pinned_by, None);
}
