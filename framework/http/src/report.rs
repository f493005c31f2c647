//! What a plugin can say of its routes, lanes and event loops, as plain data for people and dashboards; serialises to JSON.

use std::{sync::Arc, time::Duration};

use offload_core::{
    LaneState,
    event_loop::{EventLoop, Label},
    routes::{Route, RouteMove, RouteReport, RouteTable},
    stall::{Stall, StallKind},
};
use serde::Serialize;

use crate::plugin::Plugin;

/// A snapshot for people and dashboards; serialises to JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The routes that were met so far, and those that are pinned. Those of an app that has ended are among them until another app has its number.
    pub routes: Vec<RouteReport>,
    /// The lanes: the one for short requests and the one for long ones.
    pub lanes: Vec<LaneReport>,
    /// The event loops that live, by their numbers. Where a runtime moves tasks between threads, these are its workers.
    pub event_loops: Vec<LoopReport>,
    /// For how long one poll may keep an event loop before it is a stall, in milliseconds; absent without a stall watch.
    pub stall_threshold_ms: Option<f64>,
    /// The latest moves of routes, at most 64, oldest first.
    pub moves: Vec<RouteMove>,
    /// The latest stalls, at most 64, oldest first; also those that last.
    pub stalls: Vec<StallReport>,
}

impl Plugin {
    /// What is known now. Takes locks and allocates: cheap enough for a monitoring endpoint, not for every request.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report_of(&self.table().routes())
    }

    /// What is known now, with these routes alone.
    #[must_use]
    pub fn report_of(&self, routes: &[Arc<Route>]) -> Report {
        let threshold = self.stall_watch().map(|watch| watch.threshold());
        let event_loops = self.loops().all();
        Report {
            routes: routes.iter().map(|route| route.report()).collect(),
            lanes: [self.lanes().short(), self.lanes().long()]
                .map(LaneReport::of)
                .into(),
            event_loops: event_loops
                .iter()
                .map(|event_loop| LoopReport::of(event_loop, self.table()))
                .collect(),
            stall_threshold_ms: threshold.map(|threshold| threshold.as_secs_f64() * 1e3),
            moves: self.table().moves(),
            stalls: self.stalls().into_iter().map(Into::into).collect(),
        }
    }
}

/// One stall, as far as it has got; see [`Stall`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StallReport {
    /// A number of its own, ascending.
    pub id: u64,
    /// The event loop, unless it is on a lane.
    pub event_loop: Option<usize>,
    /// The name of the thread.
    pub thread: String,
    /// Method and pattern of the route, or `no route`.
    pub route: String,
    /// What does not go on.
    pub kind: StallKind,
    /// For how long, in seconds.
    pub elapsed_seconds: f64,
    /// The CPU time of its thread in that time, in seconds.
    pub on_cpu_seconds: f64,
    /// Whether it is over.
    pub over: bool,
    /// How long ago it began, in seconds.
    pub age_s: f64,
    /// Where the thread was, innermost call first, if that could be told.
    pub backtrace: Vec<String>,
}

impl From<Stall> for StallReport {
    fn from(stall: Stall) -> Self {
        Self {
            id: stall.id,
            event_loop: stall.event_loop,
            thread: stall.thread,
            route: stall.route,
            kind: stall.kind,
            elapsed_seconds: stall.elapsed.as_secs_f64(),
            on_cpu_seconds: stall.on_cpu.as_secs_f64(),
            over: stall.over,
            age_s: stall.began.elapsed().as_secs_f64(),
            backtrace: stall.backtrace,
        }
    }
}

/// The state of one lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LaneReport {
    /// Its name.
    pub name: String,
    /// How many jobs it runs at a time.
    pub threads: usize,
    /// Jobs that wait for their beginning.
    pub queued: usize,
    /// Threads that run something now.
    pub running: usize,
    /// How long a request of a route that has none waiting would wait that came now, in seconds.
    pub projected_delay_seconds: f64,
    /// Jobs that were not taken.
    pub refused: u64,
    /// Jobs that waited too long and were dropped instead of begun.
    pub expired: u64,
    /// Jobs that were removed before they began, and tasks that were dropped half done.
    pub cancelled: u64,
}

impl LaneReport {
    /// The report of this state.
    fn of(lane: LaneState) -> Self {
        let stats = lane.stats;
        Self {
            name: lane.name,
            threads: lane.threads,
            queued: lane.queued,
            running: lane.running,
            projected_delay_seconds: lane.projected_delay.as_secs_f64(),
            refused: stats.refused,
            expired: stats.expired,
            cancelled: stats.cancelled,
        }
    }
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

impl LoopReport {
    /// What this event loop has done so far.
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
