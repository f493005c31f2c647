//! What is measured, published through the [`metrics`] facade under the names and units that Prometheus advises.
//!
//! Nothing is published for each request: event loops and lanes count in memory of their own, and a [`Publisher`] hands over
//! what has come together, now and then, to whatever recorder the application has installed. So the price does not depend
//! on the recorder, and none of it is paid on an event loop.
//!
//! Labels are bounded: routes are patterns, never paths, and a [`RouteTable`] holds a bounded number of them.
//!
//! | metric | kind | labels |
//! | --- | --- | --- |
//! | `offload_requests_total` | counter | `app`, `method`, `route`, `placement` |
//! | `offload_route_run_seconds` | gauge that only grows | `app`, `method`, `route`, `placement` |
//! | `offload_lane_run_seconds`, `offload_lane_queue_seconds` | histogram | `app`, `method`, `route` |
//! | `offload_requests_refused_total` | counter | `app`, `method`, `route`, `reason` |
//! | `offload_requests_cancelled_total`, `offload_requests_panicked_total` | counter | `app`, `method`, `route` |
//! | `offload_route_moves_total` | counter | `app`, `method`, `route`, `reason` |
//! | `offload_route_on_lane` | gauge, 0 or 1 | `app`, `method`, `route` |
//! | `offload_lane_threads`, `offload_lane_queue_depth`, `offload_lane_queue_bound`, `offload_lane_running` | gauge | `lane` |
//! | `offload_lane_projected_delay_seconds` | gauge | `lane` |
//! | `offload_lane_jobs_total` | counter | `lane`, `outcome` |
//! | `offload_loop_requests_total`, `offload_loop_stalls_total` | counter | `event_loop` |
//! | `offload_loop_busy_seconds`, `offload_loop_cpu_seconds` | gauge that only grows | `event_loop` |
//! | `offload_loop_poll_seconds` | histogram | `event_loop` |
//! | `offload_loop_longest_poll_seconds`, `offload_loop_lag_seconds`, `offload_loop_longest_lag_seconds`, `offload_loop_stalled_seconds` | gauge | `event_loop` |
//! | `offload_stalls_total` | counter | `route`, `kind` |
//! | `offload_stall_threshold_seconds` | gauge | |
//! | `offload_stall_reports_suppressed_total` | counter | |
//!
//! An event loop takes the number of one that has ended, and a route is named by its app's number, which the app's successor
//! takes. Both count on in the series that are there, so no counter goes back when a server is started again in one process,
//! and there are never more series than loops and routes at a time. What an ended loop says of now, its lag and its stall, is 0.
//!
//! Sums of seconds are gauges because counters of the facade are whole numbers; `rate` and `increase` work on them all the same.
//!
//! Histograms have the classes of [`BOUNDS`]; give these to your recorder. A time is handed over as the middle of its class,
//! so counts by class are exact and sums are estimates; the exact sums are in the gauges of seconds.
//!
//! # Examples
//!
//! ```
//! use offload_core::{Lanes, event_loop::EventLoops, metrics::Publisher, placement::Rules, routes::RouteTable};
//!
//! let lanes = Lanes::builder().threads(1).build()?;
//! let publisher = Publisher::new(RouteTable::new(Rules::default()), lanes, EventLoops::default(), None);
//! // On a thread of its own, now and then, or before each scrape:
//! publisher.publish();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod describe;
mod event_loops;
mod lanes;
mod routes;
mod stalls;
mod times;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use self::times::Published;
pub use crate::event_loop::BOUNDS;
use crate::{Lanes, event_loop::EventLoops, routes::RouteTable, stall::StallWatch};

/// Hands all measurements to the current `metrics` recorder of the calling thread.
///
/// Use one publisher per recorder: for histograms it hands over only what is new since its last call.
pub struct Publisher {
    routes: RouteTable,
    lanes: Lanes,
    loops: EventLoops,
    stalls: Option<StallWatch>,
    published: Mutex<Option<Published>>,
}

impl Publisher {
    /// A publisher of everything that these have measured so far, and will.
    #[must_use]
    pub fn new(
        routes: RouteTable,
        lanes: Lanes,
        loops: EventLoops,
        stalls: Option<StallWatch>,
    ) -> Self {
        Self {
            routes,
            lanes,
            loops,
            stalls,
            published: Mutex::new(None),
        }
    }

    /// Hands everything over.
    ///
    /// It takes locks and allocates for each route, so call it on a thread of its own, not on an event loop: every few seconds, or
    /// whenever metrics are asked for.
    ///
    /// Install the recorder first. Descriptions and histogram values are handed over once, and are lost if there is no recorder then.
    /// Counters and gauges are complete each time.
    pub fn publish(&self) {
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let published = published.get_or_insert_with(|| {
            describe::all();
            Published::default()
        });
        routes::publish(&self.routes, published);
        lanes::publish(&self.lanes);
        event_loops::publish(&self.loops, published);
        if let Some(stalls) = &self.stalls {
            stalls::publish(stalls);
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
