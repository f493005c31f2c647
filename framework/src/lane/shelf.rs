//! The order of a lane's queue: fair between flows, and free of what was removed.

use std::sync::Arc;

use super::{account::Entry, gate};
use crate::queue::{FairQueue, Receipt};

/// Below this many entries nobody looks for tombstones.
const FIRST_SWEEP: usize = 64;

/// The jobs that have not begun, in their order.
#[derive(Debug)]
pub(crate) struct Shelf {
    jobs: FairQueue<Arc<Entry>>,
    /// At this length tombstones are looked for: twice what was left last time, so that each look is paid for by what
    /// came since.
    sweep_at: usize,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self {
            jobs: FairQueue::new(),
            sweep_at: FIRST_SWEEP,
        }
    }

    /// Charges a flow what its job has cost, in nanoseconds, in place of what was predicted.
    pub(crate) fn charge(&mut self, receipt: Receipt, cost: u64) {
        self.jobs.charge(receipt, cost);
    }
}

impl gate::Shelf<Arc<Entry>> for Shelf {
    /// With the receipt for what its flow was charged.
    type Taken = (Arc<Entry>, Receipt);

    fn put(&mut self, entry: Arc<Entry>) -> bool {
        if entry.is_tombstone() {
            return false;
        }
        let (share, cost) = (entry.account().flow().share(), entry.account().cost());
        self.jobs.push(share, cost, entry);
        true
    }

    fn take(&mut self) -> Option<Self::Taken> {
        self.jobs.pop()
    }

    fn take_late(&mut self, now: u64, late: &mut Vec<Arc<Entry>>) -> usize {
        let before = self.jobs.len();
        self.jobs.sweep(|entry| {
            let is_late = entry.account().latest() < now;
            if is_late {
                late.push(Arc::clone(entry));
            }
            is_late || entry.is_tombstone()
        });
        before - self.jobs.len()
    }

    fn sweep(&mut self) -> usize {
        let before = self.jobs.len();
        if before < self.sweep_at {
            return 0;
        }
        self.jobs.sweep(|entry| entry.is_tombstone());
        let left = self.jobs.len();
        self.sweep_at = FIRST_SWEEP.max(2 * left);
        before - left
    }
}
