//! A burst is no overload: what comes at once and drains is answered whole, what goes on and on is refused.

use std::{thread, time::Duration};

use actix_offload::{OffloadBuilder, Placement};
use offload_tests::connection::Connection;

use super::{HEAVY, Saturated, all_are_answered, is_a_refusal, sturdy};

/// More than twice what anybody may wait for in an overload, and far less than a browser's patience.
const BURST: usize = 150;

/// One thread for each lane, and everything else by default.
fn defaults() -> OffloadBuilder {
    sturdy().lanes(|lanes| lanes.threads(1))
}

/// Connections that have asked for nothing yet.
fn connected(app: &Saturated, count: usize) -> Vec<Connection> {
    let open = |_| Connection::open(app.addr()).expect("connects");
    (0..count).map(open).collect()
}

fn ask(connections: &mut [Connection], path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    for connection in connections {
        connection.send(request.as_bytes()).expect("sends");
    }
}

/// Sends a request on each connection at once, all of which must be answered.
fn all_at_once(app: &Saturated, path: &str) {
    let mut connections = connected(app, BURST);
    ask(&mut connections, path);
    all_are_answered(connections);
}

fn refused(app: &Saturated, path: &str) -> u64 {
    app.route(path).map_or(0, |route| route.refused)
}

#[test]
fn a_burst_after_quiet_is_answered_whole() {
    let app = Saturated::warm(defaults());
    assert!(HEAVY * BURST as u32 > Duration::from_secs(1));
    all_at_once(&app, "/one");
    assert_eq!(refused(&app, "/one"), 0);
    // And another route's, which comes when this one is gone.
    all_at_once(&app, "/two");
    assert_eq!(refused(&app, "/two"), 0);
    assert_eq!(app.begun.count(), 2 * BURST);
}

#[test]
fn a_burst_of_a_route_that_nobody_has_met_is_answered_whole() {
    let app = Saturated::start(defaults());
    all_at_once(&app, "/one");
    assert_eq!(refused(&app, "/one"), 0);
}

/// Those that came first were not expected to wait for long, and are not dropped for waiting all the same.
#[test]
fn a_burst_that_turns_out_dearer_than_expected_is_answered_whole() {
    let app = Saturated::warm(defaults());
    // All of it is the long lane's.
    for _ in 0..12 {
        assert_eq!(app.get("/one?dear").status(), 200);
    }
    let mut connections = connected(&app, 30);
    ask(&mut connections, "/one?dearest");
    all_are_answered(connections);
    assert_eq!(refused(&app, "/one"), 0);
}

#[test]
fn without_patience_for_bursts_they_are_an_overload() {
    let app = Saturated::warm(defaults().lanes(|lanes| lanes.burst_patience(Duration::ZERO)));
    let mut connections = connected(&app, BURST);
    ask(&mut connections, "/one");
    let mut refused = 0;
    for mut connection in connections {
        let response = connection.read_response().expect("answers");
        if response.status() != 200 {
            is_a_refusal(&response);
            refused += 1;
        }
    }
    assert!(refused > 0);
    assert_eq!(refused + app.begun.count(), BURST);
}

/// Requests at a rate that the lane cannot do, and for longer than a burst lasts.
#[test]
fn what_goes_on_is_refused_and_light_routes_notice_nothing() {
    const TICKS: usize = 120;
    const A_TICK: usize = 5;
    let builder = defaults().pin("GET", "/health", Placement::Loop);
    let app = Saturated::warm(builder);
    let mut connections = connected(&app, TICKS * A_TICK);
    // Four times what one core can do, for more than a second. On a slow machine it is more.
    for tick in connections.chunks_mut(A_TICK) {
        ask(tick, "/one");
        assert_eq!(app.get("/health").status(), 200);
        thread::sleep(HEAVY * A_TICK as u32 / 4);
    }
    let mut answered = 0;
    let statuses = connections.iter_mut().map(|connection| {
        let response = connection.read_response().expect("answers");
        match response.status() {
            200 => answered += 1,
            _ => is_a_refusal(&response),
        }
        response.status()
    });
    let statuses: Vec<_> = statuses.collect();
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert_eq!(app.begun.count(), answered, "whoever was taken is answered");
    assert!(
        refused > TICKS * A_TICK / 4,
        "{refused} of {}",
        statuses.len()
    );
    // Once it is over, all is as before.
    assert_eq!(app.get("/one").status(), 200);
}
