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
    /// The watch looks a little more often than once in this time, at least every 50 ms, and five times in it while a loop has been at
    /// one thing for a fifth of it. So a poll that has taken nine fifths of this time (45 ms, if nothing is set), or 50 ms more than
    /// it, is found for certain; a shorter one that is above it may escape. A short limit of
    /// [`blocking_pool`](Self::blocking_pool) makes it look more often.
    pub fn threshold(mut self, threshold: Duration) -> Self {
        self.threshold = threshold.max(Duration::from_millis(1));
        self
    }

    /// How many reports a minute are made, of all event loops together. Default: 10. Those above are counted, and the next
    /// one that is made says how many they were.
    pub fn reports_per_minute(mut self, reports: u32) -> Self {
        self.reports_per_minute = reports;
        self
    }

    /// A request on a lane is past its time if it has kept its thread for so long, and for eight times what its route
    /// usually costs, if that is known yet. Default: 1 s.
    pub fn lane_jobs(mut self, least: Duration) -> Self {
        self.lane_jobs = least;
        self
    }

    /// How long an event loop's pool for blocking work may take nothing before it is reported; `None` looks at no pool.
    /// Default: 1 s.
    ///
    /// To find out, each pool is given an empty closure as often as that, which keeps one of its threads alive. A pool that has no thread is
    /// given none while the system would not give it one either, which is logged and is no stall.
    pub fn blocking_pool(mut self, limit: Option<Duration>) -> Self {
        self.blocking_pool = limit.map(|limit| limit.max(Duration::from_millis(10)));
        self
    }

    /// Whether reports say where the thread is, if the feature `stall-backtrace` is on and the system can tell. Default: true.
    pub fn backtraces(mut self, wanted: bool) -> Self {
        self.backtraces = wanted;
        self
    }

    /// What to do with each report, beside the log. It runs on the watch's thread, which looks at nothing meanwhile, so it should be
    /// quick; a panic in it is logged.
    pub fn on_stall(mut self, tell: impl Fn(&Stall) + Send + Sync + 'static) -> Self {
        self.on_stall = Some(Arc::new(tell));
        self
    }

    /// The routes that labels stand for.
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
