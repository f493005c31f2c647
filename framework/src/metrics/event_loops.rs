//! The metrics of each event loop.

use metrics::{counter, gauge, histogram};

use super::times::{Of, Published};
use crate::event_loop::EventLoops;

pub(super) fn publish(loops: &EventLoops, published: &mut Published) {
    for event_loop in loops.all() {
        let number = || event_loop.number().to_string();
        let seen = event_loop.snapshot();
        counter!("offload_loop_requests_total", "event_loop" => number()).absolute(seen.requests);
        counter!("offload_loop_stalls_total", "event_loop" => number()).absolute(seen.stalls);
        let seconds = [
            ("offload_loop_busy_seconds", Some(seen.busy)),
            ("offload_loop_cpu_seconds", seen.cpu),
            ("offload_loop_longest_poll_seconds", Some(seen.longest_poll)),
            ("offload_loop_lag_seconds", Some(seen.lag)),
            ("offload_loop_longest_lag_seconds", Some(seen.longest_lag)),
            (
                "offload_loop_stalled_seconds",
                Some(seen.stalled.map_or_else(Default::default, |(time, _)| time)),
            ),
        ];
        for (name, time) in seconds {
            if let Some(time) = time {
                gauge!(name, "event_loop" => number()).set(time.as_secs_f64());
            }
        }
        let to = histogram!("offload_loop_poll_seconds", "event_loop" => number());
        published.hand_over(Of::PollsOfLoop(event_loop.number()), seen.polls, &to);
    }
}
