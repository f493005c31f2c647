//! What is known of servers that have ended: no more than of one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_offload::{Offload, OffloadBuilder, Placement};
use actix_web::{App, web};
use offload_tests::server::TestServer;

use super::server::{Stop, at_the_end, get, patient};
use crate::gate::wait_until;

async fn light() -> &'static str {
    "light"
}

/// Roomy, so that noise on a busy machine does not make a light route heavy.
fn roomy() -> OffloadBuilder {
    patient(1)
        .budget(Duration::from_millis(20))
        .server_timing(true)
}

/// How many event loops, routes and requests are in the books.
fn books(offload: &Offload) -> (usize, usize) {
    let report = offload.report();
    (report.event_loops.len(), report.routes.len())
}

#[test]
fn a_hundred_servers_leave_no_more_in_the_books_than_one() {
    const SERVERS: usize = 100;
    const EACH: u64 = 3;
    let offload = roomy().build().expect("starts");
    for number in 0..SERVERS {
        let app = || App::new().route("/", web::get().to(light));
        let visit = |[addr, _]: [SocketAddr; 2]| {
            (0..EACH).for_each(|_| assert_eq!(get(addr, "/").status(), 200))
        };
        let look = || books(&offload);
        // A graceful stop may take a second for a connection whose end was not noticed yet.
        let seen = at_the_end(offload.app(app), (2, Stop::Forced), visit, look);
        assert_eq!(seen, (0, 1), "after server {number}");
    }
    let route = &offload.report().routes[0];
    assert_eq!(route.app, 0, "numbers are used again");
    let runs = route.loop_runs + route.lane_runs;
    assert_eq!(
        runs,
        SERVERS as u64 * EACH,
        "nothing of what was counted is lost"
    );
}

#[test]
fn an_app_that_is_started_again_knows_its_routes() {
    let offload = roomy().build().expect("starts");
    let app = || App::new().route("/", web::get().to(light));
    let place = |server: &TestServer| {
        let response = get(server.addr(), "/");
        let timing = response.header_lines.iter();
        let timing = timing.map(|line| String::from_utf8_lossy(line).into_owned());
        timing
            .into_iter()
            .any(|line| line.contains(r#"place;desc="loop""#))
    };
    {
        let server = TestServer::start(offload.app(app));
        wait_until("it is light", || place(&server));
    }
    for _ in 0..3 {
        let server = TestServer::start(offload.app(app));
        // The patterns are learned from the first response; then the route is known at once.
        get(server.addr(), "/");
        assert!(place(&server), "{:?}", offload.report().routes);
    }
    assert_eq!(offload.report().routes.len(), 1);
}

#[test]
fn apps_at_a_time_are_told_apart_and_those_that_follow_take_their_places() {
    let offload = roomy().build().expect("starts");
    let routes = || {
        let report = offload.report();
        let routes = report.routes.iter();
        let mut named: Vec<_> = routes
            .map(|route| format!("{} {}", route.app, route.pattern))
            .collect();
        named.sort();
        named
    };
    let known = |patterns: &[&str]| wait_until("they are known", || routes() == patterns);
    let serve = |pattern: &'static str| {
        let app = move || App::new().route(pattern, web::get().to(light));
        let server = TestServer::start(offload.app(app));
        assert_eq!(get(server.addr(), pattern).status(), 200);
        server
    };
    let first = serve("/a");
    let second = serve("/b");
    known(&["0 /a", "1 /b"]);
    drop(first);
    known(&["0 /a", "1 /b"]);
    for pattern in ["/c", "/d", "/e"] {
        let _third = serve(pattern);
        known(&[&format!("0 {pattern}"), "1 /b"]);
    }
    drop(second);
    let _first = serve("/a");
    known(&["0 /a", "1 /b"]);
}

#[test]
fn what_was_learned_of_apps_that_are_gone_is_saved() {
    let folder = std::env::temp_dir().join(format!("offload-lifetimes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("profile.json");
    let start = || roomy().profile(&file).build().expect("starts");
    let patterns = ["/a", "/b", "/c"];
    let first = start();
    for pattern in patterns {
        let app = move || App::new().route(pattern, web::get().to(light));
        let server = TestServer::start(first.app(app));
        let light = || {
            get(server.addr(), pattern);
            let routes = first.report().routes;
            let mut its = routes.iter().filter(|route| route.pattern == pattern);
            its.any(|route| route.placement == Placement::Loop)
        };
        wait_until("it is light", light);
    }
    first.save_profile().expect("saves");
    let second = start();
    let mut known: Vec<_> = second.report().routes;
    known.sort_by(|one, other| one.pattern.cmp(&other.pattern));
    let known: Vec<_> = known.iter().map(|route| &*route.pattern).collect();
    assert_eq!(known, patterns);
    std::fs::remove_dir_all(&folder).expect("cleans up");
}

#[test]
fn event_loops_of_wrapped_apps_leave_the_books() {
    let offload = Arc::new(roomy().build().expect("starts"));
    for _ in 0..10 {
        let wrapping = Offload::clone(&offload);
        let app = move || {
            App::new()
                .wrap(wrapping.clone())
                .route("/", web::get().to(light))
        };
        {
            let server = TestServer::builder().workers(2).start(app);
            assert_eq!(get(server.addr(), "/").status(), 200);
            assert!((1..=2).contains(&books(&offload).0));
        }
        // actix does not wait for its workers.
        wait_until("they are gone", || books(&offload).0 == 0);
        assert!(books(&offload).1 <= 1, "{:?}", offload.report().routes);
    }
}
