//! A flow: the jobs that together have one fair share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::surge::Surge;
use crate::nanos::nanos;

/// A flow's share of what there is, against those of the others: 1 to 1,000, by default 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

impl Weight {
    /// A weight of 1 to 1,000; `None` beyond that.
    #[must_use]
    pub const fn new(weight: u16) -> Option<Self> {
        match weight {
            1..=1000 => Some(Self(weight)),
            _ => None,
        }
    }

    /// The number.
    pub(crate) const fn get(self) -> u16 {
        self.0
    }

    /// What a cost is to a flow of this weight, on the scale of one of the default weight.
    pub(crate) fn stretch(self, cost: u64) -> u128 {
        (u128::from(cost) * u128::from(Self::default().0)).div_ceil(u128::from(self.0))
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(100)
    }
}

/// Which flows come before others in any case, whatever their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Before all others.
    High,
    /// In the middle.
    #[default]
    Normal,
    /// Only while nothing else waits, so perhaps never.
    Low,
}

impl Rank {
    /// All ranks, the highest first.
    pub(crate) const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// What the order of a queue needs to know of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) flow: u32,
    pub(crate) weight: Weight,
    pub(crate) rank: Rank,
}

/// So many lanes have books of their own, so a flow has as many gauges.
pub(super) const LANES: usize = 2;

/// The jobs that together have one fair share, such as the requests of a route.
#[derive(Debug)]
pub struct Flow {
    id: u32,
    weight: Weight,
    rank: Rank,
    pub(super) gauges: [Gauge; LANES],
    pub(super) attempts: Attempts,
    /// How many of its jobs come first, because nothing is known of them.
    pub(super) probing: AtomicUsize,
    /// What one of its jobs has cost so far that nobody knew, in nanoseconds; 0 if none was long.
    costs_at_least: AtomicU64,
    /// How many of its jobs are at work of which nothing was known and that compute.
    computing: AtomicUsize,
    /// Whether its jobs are of more than one kind.
    is_mixed: bool,
}

/// What a flow has in one lane.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// Jobs that wait.
    pub(super) queued: AtomicUsize,
    /// What they will probably cost, in nanoseconds.
    pub(super) nanos: AtomicU64,
    /// What the first of them costs, if nothing waited when it came and nothing has begun or left since; otherwise 0.
    pub(super) first: AtomicU64,
    /// What has come of late.
    pub(super) surge: Surge,
}

/// What a flow's trials were good for.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pub(super) under_way: AtomicBool,
    pub(super) failures: AtomicU32,
    /// Jobs that could have been tried since the last trial ended.
    pub(super) passed: AtomicU32,
}

impl Flow {
    /// A new flow.
    #[must_use]
    pub fn new(weight: Weight, rank: Rank) -> Arc<Self> {
        Self::make(weight, rank, false)
    }

    /// A new flow of jobs that have nothing in common, so that what one of them costs says nothing of the next.
    #[must_use]
    pub fn mixed() -> Arc<Self> {
        Self::make(Weight::default(), Rank::default(), true)
    }

    fn make(weight: Weight, rank: Rank, is_mixed: bool) -> Arc<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Relaxed),
            weight,
            rank,
            gauges: Default::default(),
            attempts: Attempts::default(),
            probing: AtomicUsize::new(0),
            costs_at_least: AtomicU64::new(0),
            computing: AtomicUsize::new(0),
            is_mixed,
        })
    }

    /// A new flow like any other.
    #[must_use]
    pub fn unnamed() -> Arc<Self> {
        Self::new(Weight::default(), Rank::default())
    }

    /// What the order of a queue needs to know of it.
    pub(crate) fn share(&self) -> Share {
        Share {
            flow: self.id,
            weight: self.weight,
            rank: self.rank,
        }
    }

    /// One of its jobs, of which nothing was known, has cost so much and is not at its end: the next ones need not wait for that.
    pub(crate) fn learn_at_least(&self, cost: Duration) {
        let nanos = nanos(cost);
        self.costs_at_least.fetch_max(nanos, Relaxed);
    }

    /// One of its jobs was short.
    pub(super) fn forget_at_least(&self) {
        self.costs_at_least.store(0, Relaxed);
    }

    /// What its unknown jobs cost at least, as far as one has shown it.
    pub(crate) fn at_least(&self) -> Option<Duration> {
        if self.is_mixed {
            return None;
        }
        match self.costs_at_least.load(Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// One of its jobs, of which nothing was known, computes.
    pub(crate) fn one_computes(&self) {
        self.computing.fetch_add(1, Relaxed);
    }

    /// Such a job has ended.
    pub(crate) fn one_computes_less(&self) {
        self.computing.fetch_sub(1, Relaxed);
    }

    /// Whether such a job is at work, and so will those be that are unknown. One of a mixed flow says nothing; of several the next
    /// is probably like them, and they are not to take all the places that there are for what is unknown.
    pub(crate) fn computes(&self) -> bool {
        let enough = if self.is_mixed { 2 } else { 1 };
        self.computing.load(Relaxed) >= enough
    }

    /// Its weight.
    pub(crate) fn weight(&self) -> Weight {
        self.weight
    }

    /// Its rank.
    pub(crate) fn rank(&self) -> Rank {
        self.rank
    }
}
