//! The families of samples about event loops.

use actix_offload::LoopReport;

use super::exposition::{Exposition, Kind};

pub(super) fn write(out: &mut Exposition, event_loops: &[LoopReport]) {
    let mut family = |name, kind, help, value: fn(&LoopReport) -> f64| {
        let mut family = out.family(name, kind, help);
        for event_loop in event_loops {
            let number = event_loop.event_loop.to_string();
            family.sample(&[("event_loop", &number)], value(event_loop));
        }
    };
    family(
        "offload_loop_requests_total",
        Kind::Counter,
        "Requests that ran on the event loop.",
        |event_loop| event_loop.requests as f64,
    );
    family(
        "offload_loop_busy_seconds_total",
        Kind::Counter,
        "The time that requests kept the event loop.",
        |event_loop| event_loop.busy_seconds,
    );
    family(
        "offload_loop_longest_poll_seconds",
        Kind::Gauge,
        "The longest that one poll of a request kept the event loop.",
        |event_loop| event_loop.longest_poll_seconds,
    );
}
