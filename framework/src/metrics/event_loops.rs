//! The metrics of each event loop.
//!
//! A series belongs to a number, and the loops that have it one after the other count on in it. So counters never go back, and
//! a recorder, which keeps every series that it ever had, gets no more of them than there were loops at a time.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::times::{Of, Published};
use crate::event_loop::EventLoops;

pub(super) fn publish(loops: &EventLoops, published: &mut Published) {
    for (number, all) in loops.counted().into_iter().enumerate() {
        let label = || number.to_string();
        counter!("offload_loop_requests_total", "event_loop" => label()).absolute(all.requests);
        counter!("offload_loop_stalls_total", "event_loop" => label()).absolute(all.stalls);
        let stalled = all.stalled.map_or(Duration::ZERO, |(time, _)| time);
        let seconds = [
            ("offload_loop_busy_seconds", Some(all.busy)),
            ("offload_loop_cpu_seconds", all.cpu),
            ("offload_loop_longest_poll_seconds", Some(all.longest_poll)),
            ("offload_loop_lag_seconds", Some(all.lag)),
            ("offload_loop_longest_lag_seconds", Some(all.longest_lag)),
            ("offload_loop_stalled_seconds", Some(stalled)),
        ];
        for (name, time) in seconds {
            if let Some(time) = time {
                gauge!(name, "event_loop" => label()).set(time.as_secs_f64());
            }
        }
        let to = histogram!("offload_loop_poll_seconds", "event_loop" => label());
        published.hand_over(Of::PollsOfLoop(number), all.polls, &to);
    }
}
