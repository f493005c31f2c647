//! The metrics of each route.
//!
//! A series belongs to a name. A route that leaves the table and comes back counts on, so counters never go back.

use metrics::{Label, counter, gauge, histogram};

use super::times::{Of, Published};
use crate::{
    admission::Refusal,
    placement::{Placement, Reason},
    routes::{Route, RouteTable},
};

pub(super) fn publish(routes: &RouteTable, published: &mut Published) {
    for route in routes.routes() {
        publish_route(&route, published);
    }
}

fn publish_route(route: &Route, published: &mut Published) {
    let report = route.report();
    let known = [
        report.loop_runs,
        report.lane_runs,
        report.refused,
        report.cancelled,
        report.panics,
    ];
    if known.iter().all(|count| *count == 0) {
        // It was only declared so far.
        return;
    }
    let labels = vec![
        Label::new("app", route.app().to_string()),
        Label::new("method", route.method().to_owned()),
        Label::new("route", route.pattern().to_owned()),
    ];
    let with = |name: &'static str, value: &'static str| {
        let mut more = labels.clone();
        more.push(Label::new(name, value));
        more
    };
    let places = [
        ("loop", report.loop_runs, report.loop_seconds),
        ("lane", report.lane_runs, report.lane_seconds),
    ];
    for (place, runs, seconds) in places {
        counter!("offload_requests_total", with("placement", place)).absolute(runs);
        gauge!("offload_route_run_seconds", with("placement", place)).set(seconds);
    }
    let on_lane = f64::from(u8::from(report.placement == Placement::Lane));
    gauge!("offload_route_on_lane", labels.clone()).set(on_lane);
    counter!("offload_requests_cancelled_total", labels.clone()).absolute(report.cancelled);
    counter!("offload_requests_panicked_total", labels.clone()).absolute(report.panics);
    for why in Refusal::ALL {
        let refused = route.refused(why);
        // Most routes are never refused, and a series for each reason would say so four times.
        if refused > 0 {
            counter!("offload_requests_refused_total", with("reason", why.word()))
                .absolute(refused);
        }
    }
    for (index, word) in Reason::WORDS.into_iter().enumerate() {
        let moves = route.moves_by(index);
        if moves > 0 {
            counter!("offload_route_moves_total", with("reason", word)).absolute(moves);
        }
    }
    if report.lane_runs > 0 {
        let (runs, queued) = route.lane_times();
        let to = histogram!("offload_lane_run_seconds", labels.clone());
        published.hand_over(Of::RunsOfRoute(route.name()), runs.counts(), &to);
        let to = histogram!("offload_lane_queue_seconds", labels);
        published.hand_over(Of::QueueOfRoute(route.name()), queued.counts(), &to);
    }
}
