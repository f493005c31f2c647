//! What an [`Offload`] can say of itself: its routes, its lanes and its event loops.

use std::sync::Arc;

use offload_core::{
    Lane,
    routes::{Route, RouteMove, RouteReport},
    stall::{Stall, StallKind, StallWatch},
};
use serde::Serialize;

use crate::{Offload, loop_record::LoopReport, offload::Core};

/// A snapshot for people and dashboards; serialises to JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The routes that were met so far, and those that are pinned. Those of an app that has ended are among them until another app has its number.
    pub routes: Vec<RouteReport>,
    /// The lanes: the one for short requests and the one for long ones.
    pub lanes: Vec<LaneReport>,
    /// The event loops that live, by their numbers.
    pub event_loops: Vec<LoopReport>,
    /// For how long one poll may keep an event loop before it is a stall, in milliseconds; absent without a stall watch.
    pub stall_threshold_ms: Option<f64>,
    /// The latest moves of routes, at most 64, oldest first.
    pub moves: Vec<RouteMove>,
    /// The latest stalls, at most 64, oldest first; also those that last.
    pub stalls: Vec<StallReport>,
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
    pub canceled: u64,
}

impl LaneReport {
    fn of(lane: &Lane) -> Self {
        let stats = lane.stats();
        Self {
            name: lane.name().to_owned(),
            threads: lane.threads(),
            queued: lane.queued(),
            running: lane.running(),
            projected_delay_seconds: lane.projected_delay().as_secs_f64(),
            refused: stats.refused,
            expired: stats.expired,
            canceled: stats.canceled,
        }
    }
}

impl Offload {
    /// What is known now of the routes, the lanes and the event loops.
    ///
    /// Cheap enough for a monitoring endpoint, but it takes locks and allocates: not for every
    /// request.
    ///
    /// # Examples
    ///
    /// ```
    /// let offload = actix_offload::Offload::builder().threads(2).build()?;
    /// let report = offload.report();
    /// assert_eq!(report.lanes[0].threads, 2);
    /// assert!(report.routes.is_empty());
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn report(&self) -> Report {
        self.core.report(&self.core.table.routes())
    }

    /// The latest stalls, at most 64, oldest first; also those that last.
    pub fn stalls(&self) -> Vec<Stall> {
        self.core.stalls()
    }
}

impl Core {
    /// The report with these routes.
    pub(crate) fn report(&self, routes: &[Arc<Route>]) -> Report {
        Report {
            routes: routes.iter().map(|route| route.report()).collect(),
            lanes: [self.lanes.short(), self.lanes.long()]
                .map(LaneReport::of)
                .into(),
            event_loops: self.loops.report(&self.table),
            stall_threshold_ms: self
                .stalls
                .as_ref()
                .map(|watch| watch.threshold().as_secs_f64() * 1e3),
            moves: self.table.moves(),
            stalls: self.stalls().into_iter().map(Into::into).collect(),
        }
    }

    fn stalls(&self) -> Vec<Stall> {
        let watch = self.stalls.as_ref();
        watch.map_or_else(Vec::new, StallWatch::recent)
    }
}
