//! One state as the page gets it: the report, cut to a bounded length, and a few facts of the process.

use std::{
    cmp::Reverse,
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use offload_http::Report;

use crate::core::Core;

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
    /// How often all routes together ran on lanes, also those that are left out: which ones these are changes.
    lane_runs_total: u64,
    #[serde(flatten)]
    report: Report,
}

impl State {
    /// Collects it. Takes locks, and may take milliseconds where there are thousands of routes: not for an event loop.
    pub(super) fn collect(core: &Core, seq: u64, uptime: Duration) -> Self {
        let routes = core.table.routes();
        // A route's counts are read once, so that the order is one.
        let mut routes: Vec<_> = routes
            .into_iter()
            .map(|route| (route.runs_by_place(), route))
            .collect();
        // The busiest first.
        routes.sort_by_key(|((on_loop, on_lane), _)| Reverse(on_loop + on_lane));
        let omitted = routes.split_off(routes.len().min(MOST_ROUTES));
        let routes: Vec<_> = routes.into_iter().map(|(_, route)| route).collect();
        let report = core.plugin.report_of(&routes);
        let shown: u64 = report.routes.iter().map(|route| route.lane_runs).sum();
        let left_out: u64 = omitted.iter().map(|((_, on_lane), _)| on_lane).sum();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            seq,
            unix_ms: u64::try_from(since_1970.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
            uptime_seconds: uptime.as_secs_f64(),
            pid: process::id(),
            workers: core.workers,
            budget_us: core.table.rules().budget.as_secs_f64() * 1e6,
            routes_omitted: omitted.len(),
            lane_runs_total: shown + left_out,
            report,
        }
    }
}
