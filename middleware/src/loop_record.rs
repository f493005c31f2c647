//! What each event loop says of itself: how many polls, how long the longest, of which route, and whether it comes round.

use std::{sync::Arc, time::Duration};

use offload_core::{
    event_loop::{EventLoop, EventLoops, Label},
    routes::RouteTable,
};
use serde::Serialize;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::local::blocking::LoopPools;

/// The event loops of an [`Offload`](crate::Offload).
#[derive(Debug)]
pub(crate) struct LoopRecords {
    /// Whether a thread asks for a core soon from when it is an event loop on.
    prompt: bool,
    /// Whether anybody asks whether they come round.
    watched: bool,
    loops: EventLoops,
    pools: Arc<LoopPools>,
}

/// What one event loop has done so far, measured by the plugin itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LoopReport {
    /// The event loop: 0, 1, 2, … in the order in which they started. One that starts takes the first number that is free.
    pub event_loop: usize,
    /// The name of its thread.
    pub thread: String,
    /// Requests that ran on this event loop.
    pub requests: u64,
    /// The time that they kept it, in seconds.
    pub busy_seconds: f64,
    /// The CPU time of its thread since it is an event loop, in seconds, if the system tells.
    pub cpu_seconds: Option<f64>,
    /// How long it took to come round when it was asked last, in seconds; so far, if it has not. It is asked twice a second
    /// at rest, ten times while it serves, and more often while it computes outside of any request; not if the stall watch is off.
    pub lag_seconds: f64,
    /// The longest that ever was.
    pub longest_lag_seconds: f64,
    /// The longest that one poll of a request kept this event loop, in seconds. Time in which the
    /// kernel had set the thread aside does not count.
    pub longest_poll_seconds: f64,
    /// The route of that poll, as method and pattern; empty while there was none.
    pub longest_poll_route: String,
    /// How many polls of requests took how long: one number for each of
    /// [`BOUNDS`](offload_core::event_loop::BOUNDS), and one for those that took longer.
    pub polls: Vec<u64>,
    /// How many stalls the stall watch found.
    pub stalls: u64,
    /// For how long it is stalled now, in seconds, if it is.
    pub stalled_seconds: Option<f64>,
    /// The route that stalls it now, or `no route`; empty if none does.
    pub stalled_route: String,
}

impl LoopRecords {
    pub(crate) fn new(
        loops: EventLoops,
        prompt: bool,
        watched: bool,
        pools: Arc<LoopPools>,
    ) -> Self {
        Self {
            prompt,
            watched,
            loops,
            pools,
        }
    }

    /// The record of the calling thread, which becomes an event loop if it was none, until it is [left](Self::leave).
    pub(crate) fn here(&self) -> Arc<EventLoop> {
        let here = self.loops.here();
        if self.prompt {
            offload_core::wake_promptly(); // Asking twice changes nothing.
        }
        let runtime = Handle::try_current()
            .ok()
            // Another kind has no thread of its own for this loop.
            .filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if let Some(runtime) = runtime {
            self.pools.add(&runtime);
            if self.watched {
                let_others_hear(&here, runtime);
            }
        }
        here
    }

    /// Whoever asked for it is done. After the last one the loop has ended.
    pub(crate) fn leave(&self, here: &Arc<EventLoop>) {
        self.loops.leave(here);
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn loops(&self) -> &EventLoops {
        &self.loops
    }

    pub(crate) fn report(&self, routes: &RouteTable) -> Vec<LoopReport> {
        let all = self.loops.all();
        all.iter()
            .map(|event_loop| LoopReport::of(event_loop, routes))
            .collect()
    }
}

/// Has the runtime of the calling thread run the loop's pulse.
fn let_others_hear(here: &Arc<EventLoop>, runtime: Handle) {
    let Some(pulse) = here.pulse() else { return };
    runtime.spawn(pulse);
    here.pool(move |job| drop(runtime.spawn_blocking(job)));
}

impl LoopReport {
    fn of(event_loop: &EventLoop, routes: &RouteTable) -> Self {
        let seen = event_loop.snapshot();
        let name = |label: Label, nobody: &str| {
            let route = routes.labelled(label);
            route.map_or_else(|| nobody.to_owned(), |route| route.to_string())
        };
        Self {
            event_loop: event_loop.number(),
            thread: event_loop.name().to_owned(),
            requests: seen.requests,
            busy_seconds: seen.busy.as_secs_f64(),
            cpu_seconds: seen.cpu.map(|cpu| cpu.as_secs_f64()),
            lag_seconds: seen.lag.as_secs_f64(),
            longest_lag_seconds: seen.longest_lag.as_secs_f64(),
            longest_poll_seconds: seen.longest_poll.as_secs_f64(),
            longest_poll_route: if seen.longest_poll > Duration::ZERO {
                name(seen.longest_poll_label, "(unknown)")
            } else {
                String::new()
            },
            polls: seen.polls.into(),
            stalls: seen.stalls,
            stalled_seconds: seen.stalled.map(|(time, _)| time.as_secs_f64()),
            stalled_route: seen
                .stalled
                .map_or_else(String::new, |(_, label)| name(label, "no route")),
        }
    }
}
