//! What an [`Offload`] can say of itself: its routes, its lanes and its event loops.

use std::sync::Arc;

use offload_core::{
    routes::{Route, RouteMove, RouteReport},
    stall::{Stall, StallWatch},
};
use offload_http::report::{LaneReport, LoopReport, StallReport};
use serde::Serialize;

use crate::{Offload, offload::Core};

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
