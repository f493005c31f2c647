//! What each event loop has counted, in memory of its own, and all of them together.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::cost::SizeBucket;

/// One clean run in so many is looked at more closely and stands for all of them.
pub(super) const SAMPLE: u32 = 16;

const ROWS: usize = 64;

/// Runs by body size, and the nanoseconds that they took together.
pub(super) type Row = [AtomicU64; SizeBucket::COUNT + 1];

pub(super) const NANOS: usize = SizeBucket::COUNT;

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
pub(super) struct Pages(Box<[OnceLock<Box<Page>>]>);

impl Pages {
    fn new(capacity: usize) -> Self {
        let pages = capacity.div_ceil(ROWS);
        Self((0..pages).map(|_| OnceLock::new()).collect())
    }

    /// `None` for routes beyond the capacity.
    #[inline]
    pub(super) fn row(&self, id: u32) -> Option<&Row> {
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

    /// A row of counters for each route, for one event loop.
    pub(super) fn begin(&self, capacity: usize) -> Arc<Pages> {
        let pages = Arc::new(Pages::new(capacity));
        self.lock().live.push(Arc::clone(&pages));
        pages
    }

    /// An event loop has ended.
    pub(super) fn end(&self, pages: &Arc<Pages>) {
        self.lock().retire(pages);
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
