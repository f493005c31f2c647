//! What an [`Offload`] can say of itself: its routes, its lanes and its event loops.

use std::sync::Arc;

use offload_core::{
    Lane,
    routes::{Route, RouteReport},
};
use serde::Serialize;

use crate::{Offload, loop_record::LoopReport, offload::Core};

/// A snapshot for people and dashboards; serialises to JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The routes that were met so far.
    pub routes: Vec<RouteReport>,
    /// The lanes: the one for short requests and the one for long ones.
    pub lanes: Vec<LaneReport>,
    /// The event loops, in the order in which they started.
    pub event_loops: Vec<LoopReport>,
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
}

impl Core {
    /// The report with these routes.
    pub(crate) fn report(&self, routes: &[Arc<Route>]) -> Report {
        Report {
            routes: routes.iter().map(|route| route.report()).collect(),
            lanes: [self.lanes.short(), self.lanes.long()]
                .map(LaneReport::of)
                .into(),
            event_loops: self.loops.report(),
        }
    }
}
