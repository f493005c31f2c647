//! What an [`Offload`] can say of itself: its routes, its lane and its event loops.

use offload_core::routes::RouteReport;
use serde::Serialize;

use crate::{Offload, loop_record::LoopReport};

/// A snapshot for people and dashboards; serialises to JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The routes that were met so far.
    pub routes: Vec<RouteReport>,
    /// The lane threads and their queue.
    pub lane: LaneReport,
    /// The event loops, in the order in which they started.
    pub event_loops: Vec<LoopReport>,
}

/// The state of the lane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LaneReport {
    /// Threads of the lane.
    pub threads: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Threads that run something now.
    pub running: usize,
}

impl Offload {
    /// What is known now of the routes, the lane and the event loops.
    ///
    /// Cheap enough for a monitoring endpoint, but it takes locks and allocates: not for every
    /// request.
    ///
    /// # Examples
    ///
    /// ```
    /// let offload = actix_offload::Offload::builder().threads(2).build()?;
    /// let report = offload.report();
    /// assert_eq!(report.lane.threads, 2);
    /// assert!(report.routes.is_empty());
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn report(&self) -> Report {
        let lane = &self.core.lane;
        let routes = self.core.table.routes();
        Report {
            routes: routes.iter().map(|route| route.report()).collect(),
            lane: LaneReport {
                threads: lane.threads(),
                queued: lane.queued(),
                running: lane.running(),
            },
            event_loops: self.core.loops.report(),
        }
    }
}
