//! What the runs of a route left behind: counts, and estimates of their cost.

use std::{
    sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::tallies::Tallied;
use crate::{
    admission::Refusal,
    cost::{CostSketch, SizeBucket},
    event_loop::PollTimes,
    nanos::nanos,
    placement::{Placement, Reason},
};

/// What was measured of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// How long it kept its thread.
    pub cost: Duration,
    /// Where it ran.
    pub ran: Placement,
    /// How long it had waited for a lane, if it ran on one.
    pub queued: Option<Duration>,
}

/// On cache lines of its own: what `Route::place` reads changes far less often than this.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Record {
    /// What event loops had tallied of it before it last left the table is among these.
    loop_runs: [AtomicU64; SizeBucket::COUNT],
    lane_runs: [AtomicU64; SizeBucket::COUNT],
    loop_nanos: AtomicU64,
    lane_nanos: AtomicU64,
    /// How long runs on lanes took, and how long they had waited.
    pub(super) run_times: PollTimes,
    pub(super) queue_times: PollTimes,
    /// Moving averages of what runs on lanes cost, in nanoseconds; 0 where there was none.
    expected: [AtomicU64; SizeBucket::COUNT],
    pub(super) moves: AtomicU64,
    /// Those by their reason.
    pub(super) moves_by: [AtomicU64; Reason::WORDS.len()],
    pub(super) panics: AtomicU64,
    pub(super) refused: [AtomicU64; Refusal::ALL.len()],
    pub(super) cancelled: AtomicU64,
    pub(super) sketches: Mutex<Sketches>,
}

/// What runs cost by body size, and how long they waited; made when first needed.
#[derive(Clone, Default)]
pub(super) struct Sketches {
    pub(super) costs: [Option<Box<CostSketch>>; SizeBucket::COUNT],
    pub(super) queued: Option<Box<CostSketch>>,
}

/// How often a route ran by body size.
pub(super) struct Runs {
    pub(super) on_loop: [u64; SizeBucket::COUNT],
    pub(super) on_lane: [u64; SizeBucket::COUNT],
    /// What they took, all together.
    pub(super) loop_nanos: u64,
    pub(super) lane_nanos: u64,
}

impl Record {
    /// Counts a run and returns how many there were before, of this body size and in this place.
    pub(super) fn count_run(&self, bucket: SizeBucket, run: &Observation) -> u64 {
        let nanos = nanos(run.cost);
        let runs = match run.ran {
            Placement::Loop => {
                self.loop_nanos.fetch_add(nanos, Relaxed);
                &self.loop_runs
            }
            Placement::Lane => {
                self.lane_nanos.fetch_add(nanos, Relaxed);
                self.run_times.count(run.cost);
                if let Some(queued) = run.queued {
                    self.queue_times.count(queued);
                }
                &self.lane_runs
            }
        };
        runs[bucket.index()].fetch_add(1, Relaxed)
    }

    /// How often it ran on lanes.
    pub(super) fn lane_runs(&self, bucket: SizeBucket) -> u64 {
        self.lane_runs[bucket.index()].load(Relaxed)
    }

    /// Whether a run of this body size was counted here.
    pub(super) fn has_run(&self, bucket: SizeBucket) -> bool {
        let runs = [&self.loop_runs, &self.lane_runs];
        runs.iter()
            .any(|runs| runs[bucket.index()].load(Relaxed) > 0)
    }

    /// Takes a run into the estimates, or leaves it out if someone else is at them.
    pub(super) fn sketch(
        &self,
        bucket: SizeBucket,
        cost: Duration,
        weight: u32,
        queued: Option<Duration>,
    ) {
        // T1: whoever holds the lock may not be running.
        let mut sketches = match self.sketches.try_lock() {
            Ok(sketches) => sketches,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        sketches.costs[bucket.index()]
            .get_or_insert_default()
            .record_weighted(cost, weight);
        if let Some(queued) = queued {
            sketches.queued.get_or_insert_default().record(queued);
        }
    }

    /// Takes a run on a lane into the moving average. Concurrent runs may overwrite each other, which only costs a sample.
    pub(super) fn expect(&self, bucket: SizeBucket, cost: Duration) {
        let new = nanos(cost);
        let average = &self.expected[bucket.index()];
        let next = match average.load(Relaxed) {
            0 => new,
            old => old - old / 8 + new / 8,
        };
        average.store(next.max(1), Relaxed);
    }

    pub(super) fn expected_cost(&self, bucket: SizeBucket) -> Option<Duration> {
        let nanos = self.expected[bucket.index()].load(Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// Takes in what event loops have tallied, and drops the estimates, as what is kept of a route that leaves.
    pub(super) fn close(&self, tallied: &Tallied) {
        for (sum, runs) in self.loop_runs.iter().zip(tallied.runs) {
            sum.fetch_add(runs, Relaxed);
        }
        self.loop_nanos.fetch_add(tallied.nanos, Relaxed);
        let sketches = self.sketches.lock();
        *sketches.unwrap_or_else(PoisonError::into_inner) = Sketches::default();
    }

    /// A copy of the estimates. Waits for whoever is at them, so it is for reports only.
    pub(super) fn sketches(&self) -> Sketches {
        let sketches = self.sketches.lock().unwrap_or_else(PoisonError::into_inner);
        sketches.clone()
    }

    /// All runs: those counted here, and those that the event loops tallied.
    pub(super) fn runs(&self, tallied: &Tallied) -> Runs {
        let load =
            |counts: &[AtomicU64; SizeBucket::COUNT], index: usize| counts[index].load(Relaxed);
        Runs {
            on_loop: std::array::from_fn(|index| {
                load(&self.loop_runs, index) + tallied.runs[index]
            }),
            on_lane: std::array::from_fn(|index| load(&self.lane_runs, index)),
            loop_nanos: self.loop_nanos.load(Relaxed) + tallied.nanos,
            lane_nanos: self.lane_nanos.load(Relaxed),
        }
    }
}

impl Runs {
    pub(super) fn of(&self, bucket: SizeBucket) -> u64 {
        self.on_loop[bucket.index()] + self.on_lane[bucket.index()]
    }
}
