//! One state as the page gets it: the report, cut to a bounded length, and a few facts of the process.

use std::{
    cmp::Reverse,
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use crate::{Report, offload::Core};

/// How many routes a state names at most.
pub(super) const MOST_ROUTES: usize = 200;

/// What is known now.
#[derive(Serialize)]
pub(super) struct State {
    seq: u64,
    unix_ms: u64,
    uptime_seconds: f64,
    pid: u32,
    workers: usize,
    budget_us: f64,
    routes_omitted: usize,
    #[serde(flatten)]
    report: Report,
}

impl State {
    /// Collects it. Takes locks, and may take milliseconds where there are thousands of routes: not for an event loop.
    pub(super) fn collect(core: &Core, seq: u64, uptime: Duration) -> Self {
        let mut routes = core.table.routes();
        // The busiest first; a route's count is read once, so that the order is one.
        routes.sort_by_cached_key(|route| Reverse(route.total_runs()));
        let routes_omitted = routes.len().saturating_sub(MOST_ROUTES);
        routes.truncate(MOST_ROUTES);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            seq,
            unix_ms: u64::try_from(since_1970.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
            uptime_seconds: uptime.as_secs_f64(),
            pid: process::id(),
            workers: core.workers,
            budget_us: core.table.rules().budget.as_secs_f64() * 1e6,
            routes_omitted,
            report: core.report(&routes),
        }
    }
}
