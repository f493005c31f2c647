//! The settings of a stall watch.

use std::{fmt, sync::Arc, time::Duration};

use super::report::Stall;
use crate::routes::RouteTable;

/// What is called with each report of a stall, on the watch's own thread.
pub(super) type OnStall = Arc<dyn Fn(&Stall) + Send + Sync>;

/// Builds a [`StallWatch`](super::StallWatch).
#[derive(Clone)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct StallWatchBuilder {
    pub(super) threshold: Duration,
    pub(super) reports_per_minute: u32,
    pub(super) lane_jobs: Duration,
    pub(super) blocking_pool: Option<Duration>,
    pub(super) backtraces: bool,
    pub(super) on_stall: Option<OnStall>,
    pub(super) routes: Option<RouteTable>,
}

impl Default for StallWatchBuilder {
    fn default() -> Self {
        Self {
            threshold: Duration::from_millis(25),
            reports_per_minute: 10,
            lane_jobs: Duration::from_secs(1),
            blocking_pool: Some(Duration::from_secs(1)),
            backtraces: true,
            on_stall: None,
            routes: None,
        }
    }
}

impl StallWatchBuilder {
    /// How long one poll may keep an event loop before it is a stall. Default: 25 ms; at least 1 ms.
    ///
    /// The watch polls. It looks at each loop every 0.8 thresholds, at most 50 ms apart. Once a loop has been in one poll for a fifth of the
    /// threshold, the watch looks every fifth of it. So each stall is found that lasts 1.8 thresholds (45 ms by default), or 50 ms longer
    /// than the threshold; a shorter one may escape. A short limit of [`blocking_pool`](Self::blocking_pool) makes it look more often.
    pub fn threshold(mut self, threshold: Duration) -> Self {
        self.threshold = threshold.max(Duration::from_millis(1));
        self
    }

    /// The most reports per minute, for all event loops together. Default: 10. Further ones are only counted, and the next report says
    /// how many were left out.
    pub fn reports_per_minute(mut self, reports: u32) -> Self {
        self.reports_per_minute = reports;
        self
    }

    /// A request on a lane is reported as late once it has run for this long, and for eight times its route's usual cost, if that
    /// is known yet. Default: 1 s.
    pub fn lane_jobs(mut self, least: Duration) -> Self {
        self.lane_jobs = least;
        self
    }

    /// An event loop's pool for blocking work is reported as full once a new job has waited there for this long. `None` turns this check
    /// off. Default: 1 s; at least 10 ms.
    ///
    /// The watch finds out by an empty job, which it sends each pool this often. That keeps one thread of the pool alive. A pool without
    /// threads gets no such job while the system has no thread left to give; that is logged, and is no stall.
    pub fn blocking_pool(mut self, limit: Option<Duration>) -> Self {
        self.blocking_pool = limit.map(|limit| limit.max(Duration::from_millis(10)));
        self
    }

    /// Whether reports have a backtrace of the thread. Needs the feature `stall-backtrace` and a supported platform. Default: true.
    pub fn backtraces(mut self, wanted: bool) -> Self {
        self.backtraces = wanted;
        self
    }

    /// Calls this with each report, after it is logged. The call runs on the watch's thread and delays its next look, so it should be
    /// quick. A panic in it is logged.
    pub fn on_stall(mut self, tell: impl Fn(&Stall) + Send + Sync + 'static) -> Self {
        self.on_stall = Some(Arc::new(tell));
        self
    }

    /// The table that names the routes in reports.
    pub fn routes(mut self, routes: RouteTable) -> Self {
        self.routes = Some(routes);
        self
    }
}

impl fmt::Debug for StallWatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallWatchBuilder")
            .field("threshold", &self.threshold)
            .field("reports_per_minute", &self.reports_per_minute)
            .field("lane_jobs", &self.lane_jobs)
            .field("blocking_pool", &self.blocking_pool)
            .field("backtraces", &self.backtraces)
            .finish_non_exhaustive()
    }
}
