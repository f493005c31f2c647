//! Counts of one event loop alone, because a counter that all loops share would cost more than many a light request.

use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    record::Observation,
    route::Route,
    shared::Shared,
    tallies::{NANOS, Pages, Row, SAMPLE},
};
use crate::cost::SizeBucket;

/// Counts the light requests of one event loop.
///
/// Each event loop makes one with [`RouteTable::loop_tally`](super::RouteTable::loop_tally) and keeps it for its life.
/// A clean run of a route that belongs on the loop is then a plain load and store in memory that no other loop touches;
/// every 16th of them is also taken into the route's estimate of costs. All other runs go to [`Route::observe`]. Reports
/// of a route sum up all loops, also those that have ended.
///
/// It can be sent to its event loop but not shared:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<offload_core::routes::LoopTally>();
/// ```
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use offload_core::{
///     cost::{BodySize, SizeBucket},
///     placement::{Placement, Rules},
///     routes::{Observation, RouteTable},
/// };
///
/// let table = RouteTable::new(Rules { unknown: Placement::Loop, ..Rules::default() });
/// let tally = table.loop_tally();
/// let route = table.route(0, "GET", "/");
/// for _ in 0..100 {
///     let cost = Duration::from_micros(12);
///     let observation = Observation { cost, ran: Placement::Loop, queued: None };
///     tally.observe(&route, SizeBucket::of(BodySize::Known(0)), observation);
/// }
/// assert_eq!(route.report().loop_runs, 100);
/// ```
pub struct LoopTally {
    pages: Arc<Pages>,
    shared: Arc<Shared>,
    // The counters have a single writer, so this must not be `Sync`.
    single: PhantomData<Cell<()>>,
}

impl LoopTally {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            pages: shared.tallies.begin(shared.capacity),
            shared,
            single: PhantomData,
        }
    }

    /// Takes a run in, as [`Route::observe`] does. Never waits.
    #[inline]
    pub fn observe(&self, route: &Route, bucket: SizeBucket, observation: Observation) {
        if route.only_counts(bucket, &observation)
            && let Some(row) = self.row(route)
        {
            let count = &row[bucket.index()];
            let before = count.load(Relaxed);
            count.store(before + 1, Relaxed);
            let cost = observation.cost;
            let nanos = cost.as_secs() * 1_000_000_000 + u64::from(cost.subsec_nanos());
            let sum = &row[NANOS];
            sum.store(sum.load(Relaxed).wrapping_add(nanos), Relaxed);
            // The first one is looked at, so that even a route of few requests has an estimate.
            if before.is_multiple_of(u64::from(SAMPLE)) {
                route.sample(bucket, observation.cost);
            }
        } else {
            route.observe(bucket, observation);
        }
    }

    fn row(&self, route: &Route) -> Option<&Row> {
        route
            .belongs_to(&self.shared)
            .then(|| self.pages.row(route.id()))?
    }
}

impl Drop for LoopTally {
    fn drop(&mut self) {
        self.shared.tallies.end(&self.pages);
    }
}

impl fmt::Debug for LoopTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopTally").finish_non_exhaustive()
    }
}
