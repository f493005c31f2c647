//! Counts of one event loop alone, because a counter that all loops share would cost more than many a light request.

use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    route::{Observation, Route},
    table::Shared,
};
use crate::cost::SizeBucket;

/// One clean run in so many is looked at more closely and stands for all of them.
pub(super) const SAMPLE: u32 = 16;

const ROWS: usize = 64;

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
        let pages = Arc::new(Pages::new(shared.capacity));
        shared.tallies.lock().live.push(Arc::clone(&pages));
        Self {
            pages,
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
        self.shared.tallies.lock().retire(&self.pages);
    }
}

impl fmt::Debug for LoopTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopTally").finish_non_exhaustive()
    }
}

/// Runs by body size, and the nanoseconds that they took together.
type Row = [AtomicU64; SizeBucket::COUNT + 1];

const NANOS: usize = SizeBucket::COUNT;

/// What all event loops counted of a route.
#[derive(Default)]
pub(super) struct Tallied {
    pub(super) runs: [u64; SizeBucket::COUNT],
    pub(super) nanos: u64,
}

impl Tallied {
    /// What was counted after `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let runs = |index: usize| self.runs[index].wrapping_sub(before.runs[index]);
        Self {
            runs: std::array::from_fn(runs),
            nanos: self.nanos.wrapping_sub(before.nanos),
        }
    }
}

type Page = [Row; ROWS];

/// A row of counters for each route, in pages that are made when the first route on them is counted.
struct Pages(Box<[OnceLock<Box<Page>>]>);

impl Pages {
    fn new(capacity: usize) -> Self {
        let pages = capacity.div_ceil(ROWS);
        Self((0..pages).map(|_| OnceLock::new()).collect())
    }

    /// `None` for routes beyond the capacity.
    fn row(&self, id: u32) -> Option<&Row> {
        let id = id as usize;
        let page = self.0.get(id / ROWS)?;
        let page = page.get_or_init(|| Box::new(std::array::from_fn(|_| Row::default())));
        Some(&page[id % ROWS])
    }

    fn row_if_any(&self, id: u32) -> Option<&Row> {
        let id = id as usize;
        let page = self.0.get(id / ROWS)?.get()?;
        Some(&page[id % ROWS])
    }
}

/// The tallies of all event loops of a table. Locked when a loop begins or ends and for reports, never for a request.
pub(super) struct Tallies(Mutex<Inner>);

struct Inner {
    live: Vec<Arc<Pages>>,
    // The sums of those that have ended, so that a restarted loop takes no memory for ever.
    retired: Pages,
}

impl Tallies {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(Inner {
            live: Vec::new(),
            retired: Pages::new(capacity),
        }))
    }

    /// What all event loops counted of a route.
    pub(super) fn sum(&self, id: u32) -> Tallied {
        let mut sum = [0; SizeBucket::COUNT + 1];
        let inner = self.lock();
        let all = inner.live.iter().map(|pages| &**pages);
        for row in all
            .chain([&inner.retired])
            .filter_map(|pages| pages.row_if_any(id))
        {
            for (sum, count) in sum.iter_mut().zip(row) {
                *sum += count.load(Relaxed);
            }
        }
        Tallied {
            runs: std::array::from_fn(|index| sum[index]),
            nanos: sum[NANOS],
        }
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.lock().live.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn retire(&mut self, ended: &Arc<Pages>) {
        self.live.retain(|pages| !Arc::ptr_eq(pages, ended));
        for (index, page) in ended.0.iter().enumerate() {
            for (row, from) in page
                .get()
                .into_iter()
                .flat_map(|page| page.iter().enumerate())
            {
                let Some(to) = self.retired.row((index * ROWS + row) as u32) else {
                    continue;
                };
                for (to, from) in to.iter().zip(from) {
                    to.fetch_add(from.load(Relaxed), Relaxed);
                }
            }
        }
    }
}
