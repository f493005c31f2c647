//! States are made only while somebody looks on, once for all, and nobody is made to wait for the slow.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use offload_core::{
    cost::{BodySize, SizeBucket},
    placement::Placement,
    routes::Observation,
};

use super::{
    events,
    hub::{Hub, MOST_VIEWERS},
    state::MOST_ROUTES,
};
use crate::Offload;

const DEADLINE: Duration = Duration::from_secs(30);

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what}: never");
        thread::sleep(Duration::from_millis(1));
    }
}

fn offload() -> Offload {
    let builder = Offload::builder().lanes(|lanes| lanes.threads(1).spare_threads(0));
    builder.build().expect("starts")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn parse(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).expect("JSON")
}

#[test]
fn nothing_is_collected_unless_somebody_looks_on() {
    let offload = offload();
    let hub = &offload.core.live;
    assert!(!hub.is_collecting());
    let viewer = hub.join(&offload.core).expect("there is room");
    let another = hub.join(&offload.core).expect("there is room");
    assert!(hub.is_collecting());
    wait_until("states are made", || hub.made() >= 3);
    drop(viewer);
    let before = hub.made();
    wait_until("they still are", || hub.made() >= before + 2);
    drop(another);
    wait_until("it ends", || !hub.is_collecting());

    let ended = hub.made();
    let viewer = hub.join(&offload.core).expect("there is room");
    wait_until("it begins again", || hub.made() > ended);
    drop(viewer);
}

#[test]
fn who_does_not_read_keeps_neither_a_place_nor_the_collector() {
    let offload = offload();
    let hub = Arc::new(Hub::with_lease(Duration::from_millis(500)));
    let mut unread = Vec::new();
    while let Ok(viewer) = hub.join(&offload.core) {
        // While a client takes nothing, nobody polls its stream.
        unread.push(events::stream(viewer, &offload.core));
    }
    assert!(unread.len() >= MOST_VIEWERS, "{}", unread.len());
    wait_until("there is room", || hub.join(&offload.core).is_ok());
    let viewer = hub.join(&offload.core).expect("there is room");
    assert!(block_on(viewer.fresh()).is_some());
    wait_until("it ends", || !hub.is_collecting());

    let viewer = hub.join(&offload.core).expect("there is room");
    drop(unread);
    assert!(block_on(viewer.fresh()).is_some(), "it begins again");
}

#[test]
fn who_is_slow_gets_the_last_state_and_none_before() {
    let offload = offload();
    let hub = &offload.core.live;
    let mut viewer = hub.join(&offload.core).expect("there is room");
    wait_until("some were made", || hub.made() >= 4);
    let frame = block_on(viewer.next()).expect("a state");
    let state = parse(&frame.json());
    assert!(state["seq"].as_u64() >= Some(3), "{state}");
    let event = frame.event();
    let event = std::str::from_utf8(&event).expect("text");
    assert!(event.starts_with(&format!("id: {}\nevent: state\ndata: {{", state["seq"])));
    assert_eq!(event.find("\n\n"), Some(event.len() - 2), "one event");
}

#[test]
fn who_asks_now_gets_what_is_true_now() {
    let offload = offload();
    let hub = &offload.core.live;
    let routes = |state: &serde_json::Value| state["routes"].as_array().map(Vec::len);
    let fresh = || {
        let viewer = hub.join(&offload.core).expect("there is room");
        parse(&block_on(viewer.fresh()).expect("a state").json())
    };
    assert_eq!(routes(&fresh()), Some(0));
    for met in 1..=3 {
        let _route = offload.core.table.route(0, "GET", &format!("/{met}"));
        assert_eq!(routes(&fresh()), Some(met));
    }
}

#[test]
fn a_state_names_the_busiest_routes_only() {
    let offload = offload();
    let hub = &offload.core.live;
    for number in 0..MOST_ROUTES + 7 {
        let _route = offload.core.table.route(0, "GET", &format!("/{number}"));
    }
    let run = |number: usize, ran| {
        let pattern = format!("/{number}");
        let route = offload.core.table.route(0, "GET", &pattern);
        let observation = Observation {
            cost: Duration::from_millis(1),
            ran,
            queued: None,
        };
        route.observe(SizeBucket::of(BodySize::Known(0)), observation);
        route
    };
    for number in 0..MOST_ROUTES + 5 {
        run(number, Placement::Lane);
    }
    run(MOST_ROUTES + 5, Placement::Loop);
    let busy = run(MOST_ROUTES + 3, Placement::Lane);
    let viewer = hub.join(&offload.core).expect("there is room");
    let state = parse(&block_on(viewer.fresh()).expect("a state").json());
    let routes = state["routes"].as_array().expect("routes");
    assert_eq!(routes.len(), MOST_ROUTES);
    assert_eq!(state["routes_omitted"], 7);
    assert_eq!(routes[0]["pattern"], busy.pattern());
    let all = MOST_ROUTES + 5 + 1;
    assert_eq!(
        state["lane_runs_total"], all,
        "those left out count as well"
    );
}

#[test]
fn the_pages_routes_stay_on_the_loop_unless_the_user_says_otherwise() {
    let builder = Offload::builder().lanes(|lanes| lanes.threads(1));
    let offload = builder.pin("GET", "/_offload/state", Placement::Lane);
    let offload = offload.build().expect("starts");
    let (routes, _number) = offload.core.new_app();
    offload.core.live.pin(&routes);
    let met = offload.core.table.routes().len();
    assert_eq!(met, 1, "an app without the page has none of its routes");

    let _live = offload.live();
    for _ in 0..2 {
        offload.core.live.pin(&routes);
    }
    let report = offload.report();
    for route in &report.routes {
        let by_user = route.method == "GET" && route.pattern == "/_offload/state";
        let wanted = if by_user {
            Placement::Lane
        } else {
            Placement::Loop
        };
        assert_eq!(
            route.placement, wanted,
            "{} {}",
            route.method, route.pattern
        );
    }
    assert_eq!(report.routes.len(), 2 * super::RESOURCES.len());
    let uri = actix_http::Uri::from_static("/_offload/live/plot.js");
    let published = routes.published();
    let slot = published
        .predict(&actix_http::Method::HEAD, &uri)
        .map(|predicted| predicted.slot);
    let route = slot.and_then(|slot| published.route(slot)).expect("known");
    assert_eq!(route.pattern(), "/_offload/live/{module}");
}
