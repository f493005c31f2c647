//! What an adapter sees of a request, step by step: where it runs, what it teaches, and to whom that counts.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use offload_core::{
    Lanes,
    clock::thread_cpu_time,
    cost::BodySize,
    placement::{Placement, Rules},
    routes::RouteReport,
};
use offload_http::{
    Answer, App, Arrival, End, Pin, Placed, Plugin, RouteName, Settings, UNMATCHED, Visit,
};

const HEAVY: Duration = Duration::from_millis(5);

fn burn(cost: Duration) {
    let start = thread_cpu_time();
    while thread_cpu_time() - start < cost {}
}

fn plugin(unknown: Placement) -> Plugin {
    let settings = Settings {
        lanes: Lanes::builder().threads(1),
        rules: Rules {
            unknown,
            // An interrupt makes no route of these tests heavy.
            budget: Duration::from_millis(1),
            ..Rules::default()
        },
        pins: vec![Pin {
            method: "GET".into(),
            pattern: "/pinned".into(),
            placement: Placement::Lane,
        }],
        stall_watch: None,
        ..Settings::default()
    };
    Plugin::start(settings).expect("starts")
}

fn arrival(method: &'static str, route: RouteName<'static>) -> Arrival<'static> {
    Arrival {
        method,
        path: "/",
        query: None,
        route,
        size: BodySize::Known(0),
        deadline: None,
    }
}

/// A request that runs on the calling thread.
fn here(app: &Arc<App>, method: &'static str, route: RouteName<'static>) -> Visit {
    match app.arrive(&arrival(method, route)) {
        Placed::Here(visit) => visit,
        Placed::Lane(ticket) => panic!("on a lane: {ticket:?}"),
    }
}

/// Runs a request on a lane to its end.
fn on_lane(app: &Arc<App>, route: RouteName<'static>, cost: Duration, end: End) {
    let Placed::Lane(ticket) = app.arrive(&arrival("GET", route)) else {
        panic!("not on a lane");
    };
    let (lanes, terms) = (ticket.lanes().clone(), ticket.terms().clone());
    let run = lanes.submit_future(&terms, async move {
        let mut visit = ticket.begin();
        visit.poll(|| burn(cost)).expect("no panic");
        visit.finish(end)
    });
    pollster::block_on(run).expect("runs");
}

fn routes(plugin: &Plugin) -> Vec<RouteReport> {
    let all = plugin.table().routes();
    all.iter().map(|route| route.report()).collect()
}

fn route(plugin: &Plugin, pattern: &str) -> RouteReport {
    let all = routes(plugin);
    let found = all.into_iter().find(|route| route.pattern == pattern);
    found.unwrap_or_else(|| panic!("no route {pattern}"))
}

#[test]
fn a_light_route_comes_to_the_thread_of_its_requests_and_one_slow_run_sends_it_back() {
    let plugin = plugin(Placement::Lane);
    let app = plugin.app();
    let light = RouteName::Matched("/light");
    for _ in 0..3 {
        on_lane(&app, light, Duration::ZERO, End::Served);
    }
    let mut visit = here(&app, "GET", light);
    visit.poll(|| burn(10 * HEAVY)).expect("no panic");
    assert!(visit.should_move(), "what has begun follows its route");
    visit.finish(End::Served);
    assert_eq!(route(&plugin, "/light").placement, Placement::Lane);
    assert!(matches!(
        app.arrive(&arrival("GET", light)),
        Placed::Lane(_)
    ));
}

#[test]
fn a_heavy_poll_counts_before_its_request_ends_and_only_once() {
    let plugin = plugin(Placement::Loop);
    let app = plugin.app();
    let mut visit = here(&app, "GET", RouteName::Matched("/waits"));
    visit.poll(|| burn(10 * HEAVY)).expect("no panic");
    assert_eq!(route(&plugin, "/waits").loop_runs, 1);
    visit.poll(|| ()).expect("no panic");
    visit.finish(End::Served);
    assert_eq!(route(&plugin, "/waits").loop_runs, 1);
}

#[test]
fn what_is_dropped_has_taught_and_is_counted_as_left() {
    let plugin = plugin(Placement::Loop);
    let app = plugin.app();
    let mut visit = here(&app, "GET", RouteName::Matched("/left"));
    visit.poll(|| burn(10 * HEAVY)).expect("no panic");
    drop(visit);
    let left = route(&plugin, "/left");
    assert_eq!((left.placement, left.cancelled), (Placement::Lane, 1));
}

#[test]
fn a_panic_is_contained_and_named() {
    let plugin = plugin(Placement::Loop);
    let app = plugin.app();
    let mut visit = here(&app, "GET", RouteName::Matched("/panics"));
    let panic = visit.poll(|| panic!("as wanted")).expect_err("a panic");
    let answer = offload_http::panics::answer(visit.route().map(|route| &**route), &*panic);
    visit.finish(End::Failed);
    assert_eq!(answer, Answer::Panicked);
    assert_eq!(route(&plugin, "/panics").panics, 1);
}

#[test]
fn what_clients_make_up_makes_no_routes() {
    let plugin = plugin(Placement::Lane);
    let app = plugin.app();
    for (method, path) in [("MADE", "/a"), ("UP", "/b"), ("BREW", "/c")] {
        here_or_there(&app, method, RouteName::Unmatched);
        on_lane(&app, RouteName::Claimed(path), Duration::ZERO, End::Failed);
    }
    let named: Vec<_> = routes(&plugin)
        .into_iter()
        .map(|route| (route.method, route.pattern))
        .collect();
    let expected = [
        ("GET", "/pinned"),
        ("(extension)", UNMATCHED),
        ("GET", UNMATCHED),
    ];
    for (method, pattern) in expected {
        assert!(
            named.contains(&(method.into(), pattern.into())),
            "{named:?}"
        );
    }
    assert_eq!(named.len(), expected.len(), "{named:?}");
}

/// Asks for a request's place, and lets it be.
fn here_or_there(app: &Arc<App>, method: &'static str, route: RouteName<'static>) {
    match app.arrive(&arrival(method, route)) {
        Placed::Here(mut visit) => visit.finish(End::Failed),
        Placed::Lane(ticket) => drop(ticket),
    }
}

#[test]
fn a_path_is_a_route_once_it_was_answered() {
    let plugin = plugin(Placement::Lane);
    let app = plugin.app();
    let claimed = RouteName::Claimed("/package.Service/Method");
    for _ in 0..4 {
        on_lane(&app, claimed, Duration::ZERO, End::Served);
        if route(&plugin, "/package.Service/Method").placement == Placement::Loop {
            break;
        }
    }
    here(&app, "GET", claimed).finish(End::Served);
}

#[test]
fn a_path_is_a_route_once_it_has_computed() {
    let plugin = plugin(Placement::Loop);
    let app = plugin.app();
    let mut visit = here(&app, "GET", RouteName::Claimed("/claimed"));
    visit.poll(|| burn(10 * HEAVY)).expect("no panic");
    drop(visit);
    let claimed = route(&plugin, "/claimed");
    assert_eq!((claimed.placement, claimed.loop_runs), (Placement::Lane, 1));
}

#[test]
fn pins_hold_in_every_app() {
    let plugin = plugin(Placement::Loop);
    for app in [plugin.app(), plugin.app()] {
        for route in [RouteName::Matched("/pinned"), RouteName::Claimed("/pinned")] {
            let placed = app.arrive(&arrival("GET", route));
            assert!(matches!(placed, Placed::Lane(_)), "{route:?}");
        }
    }
}

/// A layer may be made for each connection.
#[test]
fn apps_that_ended_leave_nothing_but_what_was_learned() {
    let plugin = plugin(Placement::Loop);
    for _ in 0..100 {
        let app = plugin.app();
        here(&app, "GET", RouteName::Matched("/")).finish(End::Served);
    }
    let app = plugin.app();
    here(&app, "GET", RouteName::Matched("/")).finish(End::Served);
    let all = routes(&plugin);
    assert_eq!(all.len(), 2, "the pinned one and this: {all:?}");
    let page = route(&plugin, "/");
    assert_eq!((page.app, page.loop_runs), (0, 101));
}

/// Each thread remembers routes, and none of them keeps the lanes.
#[test]
#[cfg(target_os = "linux")]
fn threads_that_have_served_keep_no_lanes() {
    const NAME: &str = "kept";
    let lane_threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("tasks");
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        let names = tasks.filter_map(name);
        names.filter(|name| name.starts_with(NAME)).count()
    };
    let settings = Settings {
        lanes: Lanes::builder().name(NAME).threads(1),
        stall_watch: None,
        ..Settings::default()
    };
    let plugin = Plugin::start(settings).expect("starts");
    let app = plugin.app();
    here_or_there(&app, "GET", RouteName::Matched("/"));
    let wait_until_there_are = |some: bool| {
        let start = Instant::now();
        while (lane_threads() > 0) != some {
            assert!(start.elapsed() < Duration::from_secs(60), "some: {some}");
            thread::yield_now();
        }
    };
    wait_until_there_are(true); // A thread gives itself its name.
    drop((app, plugin));
    wait_until_there_are(false);
}
