//! The families of samples about routes.

use actix_offload::{Placement, RouteReport};

use super::exposition::{Exposition, Kind};

pub(super) fn write(out: &mut Exposition, routes: &[RouteReport]) {
    write_runs(out, routes);
    write_events(out, routes);
    write_costs(out, routes);
    let mut on_lane = out.family(
        "offload_route_on_lane",
        Kind::Gauge,
        "Whether the route runs on a lane now.",
    );
    for route in routes {
        let on = if route.placement == Placement::Lane {
            1.0
        } else {
            0.0
        };
        on_lane.sample(&labels(route), on);
    }
}

fn write_runs(out: &mut Exposition, routes: &[RouteReport]) {
    let mut runs = out.family(
        "offload_route_runs_total",
        Kind::Counter,
        "Requests that ran, by where.",
    );
    for route in routes {
        let [method, pattern] = labels(route);
        for (place, count) in [("loop", route.loop_runs), ("lane", route.lane_runs)] {
            runs.sample(&[method, pattern, ("placement", place)], count as f64);
        }
    }
}

fn write_events(out: &mut Exposition, routes: &[RouteReport]) {
    let mut counter = |name, help, count: fn(&RouteReport) -> u64| {
        let mut family = out.family(name, Kind::Counter, help);
        for route in routes {
            family.sample(&labels(route), count(route) as f64);
        }
    };
    counter(
        "offload_route_moves_total",
        "How often the route changed sides.",
        |route| route.moves,
    );
    counter(
        "offload_route_refused_total",
        "Requests that were turned away because the lane was full.",
        |route| route.refused,
    );
    counter(
        "offload_route_panics_total",
        "Runs that ended in a panic.",
        |route| route.panics,
    );
    counter(
        "offload_route_cancelled_total",
        "Requests whose client left before they were answered.",
        |route| route.cancelled,
    );
}

fn write_costs(out: &mut Exposition, routes: &[RouteReport]) {
    let mut cost = out.family(
        "offload_route_run_seconds",
        Kind::Gauge,
        "What recent runs of the route cost.",
    );
    for route in routes {
        let Some(recent) = route.cost else { continue };
        let [method, pattern] = labels(route);
        let figures = [
            ("p50", recent.p50_us),
            ("p95", recent.p95_us),
            ("peak", recent.peak_us),
            ("last", recent.last_us),
        ];
        for (figure, micros) in figures {
            cost.sample(&[method, pattern, ("figure", figure)], micros / 1e6);
        }
    }
}

fn labels(route: &RouteReport) -> [(&'static str, &str); 2] {
    [("method", &route.method), ("pattern", &route.pattern)]
}
