//! Nothing is learned yet and everything is heavy: a light route is never refused and finds its way to the event loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_offload::{Offload, Placement};
use actix_web::{App, web};
use offload_tests::{client::Client, connection::Connection, server::TestServer};

use super::{HEAVY, all_are_answered, burn, open, sturdy};
use crate::gate::{Gate, wait_until};

/// More than run at a time, and more than there are spare threads.
const FLOODS: usize = 12;

/// An app with the route `/light` and many others, each of which does what `heavy` does.
fn flooded(offload: &Offload, heavy: impl Fn() + Clone + Send + 'static) -> TestServer {
    TestServer::start(offload.app(move || {
        let app = App::new().route("/light", web::get().to(|| async { "light" }));
        (0..FLOODS).fold(app, |app, flood| {
            let heavy = heavy.clone();
            let handler = move || {
                heavy();
                async { "done" }
            };
            app.route(&format!("/heavy-{flood}/{{any}}"), web::get().to(handler))
        })
    }))
}

/// Asks the light route until it runs on its event loop, and then some more; every answer must be good.
fn becomes_light(offload: &Offload, server: &TestServer) {
    let client = Client::new(server.addr());
    let is_answered = || {
        let response = client.get("/light").expect("answers");
        assert_eq!(response.status(), 200, "{response:?}");
        assert_eq!(response.body, b"light");
    };
    wait_until("the light route is on its loop", || {
        is_answered();
        let routes = offload.report().routes;
        let light = routes.iter().find(|route| route.pattern == "/light");
        light.is_some_and(|route| route.placement == Placement::Loop)
    });
    for _ in 0..50 {
        is_answered();
    }
    for route in offload.report().routes {
        if route.pattern == "/light" {
            assert_eq!(route.refused, 0);
        } else {
            assert_eq!((route.placement, route.loop_runs), (Placement::Lane, 0));
        }
    }
}

#[test]
fn a_light_route_gets_through_a_flood_of_unknown_ones() {
    // Nothing is overdue so soon, so all of it goes through one thread.
    let builder = sturdy().lanes(|lanes| lanes.threads(1).short_limit(Duration::from_secs(1)));
    let offload = builder.build().expect("starts");
    let server = flooded(&offload, || burn(Duration::from_millis(40)));
    let (server, enough) = (&server, &AtomicBool::new(false));
    thread::scope(|scope| {
        for flood in 0..FLOODS {
            scope.spawn(move || {
                let mut connection = Connection::open(server.addr()).expect("connects");
                for request in 0.. {
                    if enough.load(Ordering::Relaxed) {
                        return;
                    }
                    // Each is a new kind, of which the last one says nothing.
                    let request =
                        format!("GET /heavy-{flood}/{request} HTTP/1.1\r\nHost: test\r\n\r\n");
                    connection.send(request.as_bytes()).expect("sends");
                    let response = connection.read_response().expect("answers");
                    assert!([200, 503].contains(&response.status()), "{response:?}");
                }
            });
        }
        let _enough = SetOnDrop(enough);
        wait_until("the lanes are flooded", || offload.lanes().queued() > 0);
        becomes_light(&offload, server);
    });
}

/// A burst of one route is not before all other routes, neither before the first answer, when no request has a route yet, nor after it.
#[test]
fn a_light_route_does_not_wait_for_another_routes_burst() {
    const BURST: usize = 60;
    for warm in [false, true] {
        let offload = sturdy()
            .lanes(|lanes| lanes.threads(1))
            .build()
            .expect("starts");
        let begun = Arc::new(AtomicUsize::new(0));
        let begins = Arc::clone(&begun);
        let server = flooded(&offload, move || {
            begins.fetch_add(1, Ordering::Relaxed);
            burn(10 * HEAVY);
        });
        let client = Client::new(server.addr());
        let light = || client.get("/light").expect("answers").status();
        if warm {
            client.get("/heavy-1/first").expect("answers");
        }
        let burst = |any| open(server.addr(), &format!("/heavy-0/{any}"), "");
        let burst: Vec<_> = (0..BURST).map(burst).collect();
        wait_until("it is there", || offload.lanes().queued() > BURST / 2);
        assert_eq!(light(), 200);
        let begun = begun.load(Ordering::Relaxed);
        assert!(begun < BURST / 2, "behind {begun} of {BURST}, warm: {warm}");
        all_are_answered(burst);
    }
}

/// Ends the floods also when an assertion fails, because their scope waits for them.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Opens the gate also when an assertion fails, because the server's end waits for its requests.
struct OpenOnDrop(Gate);

impl Drop for OpenOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Each has the slot of the one before at once, and not when that is overdue.
#[test]
fn what_is_unknown_does_not_wait_until_others_are_overdue() {
    const SPARES: usize = 4;
    let limit = Duration::from_secs(1);
    let builder = sturdy().lanes(|lanes| lanes.threads(1).spare_threads(SPARES));
    let offload = builder
        .lanes(|lanes| lanes.short_limit(limit))
        .build()
        .expect("starts");
    let gate = Gate::default();
    let waits = gate.clone();
    let server = flooded(&offload, move || waits.wait());
    let opens = OpenOnDrop(gate);
    let start = Instant::now();
    let endless = (0..SPARES).map(|flood| open(server.addr(), &format!("/heavy-{flood}/any"), ""));
    let endless: Vec<_> = endless.collect();
    wait_until("all have begun", || offload.lanes().running() == SPARES);
    // One by one they would take twice the limit each.
    assert!(start.elapsed() < 3 * limit, "{:?}", start.elapsed());
    drop(opens);
    all_are_answered(endless);
}

/// Before the first answer nobody knows which requests are of one route: what some have cost says nothing of others.
#[test]
fn before_the_first_answer_what_computes_is_no_hint_at_others() {
    let offload = sturdy()
        .lanes(|lanes| lanes.threads(1).spare_threads(4))
        .build();
    let offload = offload.expect("starts");
    let over = Arc::new(AtomicBool::new(false));
    let shown = Arc::new(AtomicUsize::new(0));
    let (ends, shows) = (Arc::clone(&over), Arc::clone(&shown));
    let server = flooded(&offload, move || {
        burn(10 * HEAVY);
        shows.fetch_add(1, Ordering::Relaxed);
        while !ends.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    let over = SetOnDrop(&over);
    let endless: Vec<_> = (0..3)
        .map(|flood| {
            let endless = open(server.addr(), &format!("/heavy-{flood}/any"), "");
            // Each has shown what it is before the next comes.
            wait_until("it is long", || shown.load(Ordering::Relaxed) > flood);
            endless
        })
        .collect();
    becomes_light(&offload, &server);
    // Where long ones are known to run, and where a light one would wait behind them.
    assert_eq!(offload.lanes().long().stats.submitted, 0);
    assert_eq!(offload.lanes().long().running, 0);
    drop(over);
    all_are_answered(endless);
}

#[test]
fn a_light_route_does_not_wait_for_unknown_ones_that_do_not_end() {
    const SPARES: usize = 4;
    let builder = sturdy().lanes(|lanes| lanes.threads(1).spare_threads(SPARES));
    let offload = builder.build().expect("starts");
    let gate = Gate::default();
    let waits = gate.clone();
    let server = flooded(&offload, move || waits.wait());
    let opens = OpenOnDrop(gate);
    // One thread is left, after all of them have become overdue one after another.
    let endless = (0..SPARES).map(|flood| open(server.addr(), &format!("/heavy-{flood}/any"), ""));
    let endless: Vec<_> = endless.collect();
    wait_until("all have begun", || {
        offload.lanes().running() == SPARES && offload.lanes().queued() == 0
    });
    becomes_light(&offload, &server);
    wait_until("only those run that have not ended", || {
        offload.lanes().running() == SPARES
    });
    drop(opens);
    all_are_answered(endless);
}
