//! What a queued job is on the books of its lane: whose it is, what it will probably cost, and until when it may wait.

use std::{fmt, sync::Arc, time::Duration};

use super::entry::{self, Follow, Job};
use crate::{
    admission::{Backlog, Flow, Probe, Trial},
    nanos::nanos,
    sync::{AtomicU8, AtomicU64, Ordering},
};

/// One job in the queue, with its account.
pub(crate) type Entry = entry::Entry<Job, Account>;

/// The books of all the lanes between which a job can move.
pub(crate) type Books = Arc<[Backlog]>;

/// The entry of one job.
pub(crate) struct Account {
    flow: Arc<Flow>,
    /// Whose it is, if `flow` is that of those who come first.
    own: Option<Arc<Flow>>,
    /// It was carried to another lane. There it does not come first.
    carried: AtomicU8,
    /// What it will probably cost, in nanoseconds.
    cost: AtomicU64,
    /// The moment, on the clock by which jobs wait, after which it is not begun any more.
    latest: AtomicU64,
    patience: Patience,
    /// What its cost is remembered under; 0 if it isn't.
    key: u64,
    books: Books,
    /// On whose book it is. This and the cost are changed only by a thread that holds the job in the state `MOVING`.
    lane: AtomicU8,
    /// Set if it is tried in the short lane though its flow is long.
    trial: Option<Trial>,
    /// Set if it comes before others because nothing is known of it.
    probe: Option<Probe>,
    /// Who is to know what it costs, if nothing is known of it.
    unknown_of: Option<Arc<Flow>>,
}

/// How long a job may wait for its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// In proportion to what it costs: `factor` times that, but at least `least` and at most `most`; and if it comes in a burst, for
    /// `burst` by the projection.
    Proportional {
        least: Duration,
        factor: u32,
        most: Duration,
        burst: Duration,
    },
    /// So long and no longer.
    Fixed(Duration),
}

impl Patience {
    /// In nanoseconds, for a job that takes so long.
    pub(crate) fn of(self, takes: u64) -> u64 {
        match self {
            Self::Fixed(patience) => nanos(patience),
            Self::Proportional {
                least,
                factor,
                most,
                ..
            } => takes
                .saturating_mul(u64::from(factor))
                .max(nanos(least))
                .min(nanos(most)),
        }
    }

    /// The longest that any job has, as a time.
    pub(crate) fn most(self) -> Duration {
        match self {
            Self::Proportional { most, .. } | Self::Fixed(most) => most,
        }
    }

    /// The longest that any job has.
    pub(crate) fn longest(self) -> Self {
        match self {
            Self::Proportional { most, .. } => Self::Fixed(most),
            other => other,
        }
    }

    /// How long a job may wait, by the projection, in a burst.
    pub(crate) fn burst(self) -> Duration {
        match self {
            Self::Proportional { burst, .. } => burst,
            Self::Fixed(_) => Duration::ZERO,
        }
    }

    /// In nanoseconds, for a job that was taken while the queue drains. Projections err, and it was told that it would be run: so that is
    /// the longest patience, and no less than twice what was projected.
    pub(crate) fn in_burst(self, takes: u64) -> u64 {
        match self {
            Self::Proportional { most, burst, .. } if !burst.is_zero() => {
                nanos(most).max(nanos(burst).saturating_mul(2))
            }
            _ => self.of(takes),
        }
    }
}

/// What is known of a job when it comes to a lane.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) flow: Arc<Flow>,
    /// Whose it is, if `flow` is that of those who come first.
    pub(crate) own: Option<Arc<Flow>>,
    /// In nanoseconds.
    pub(crate) cost: u64,
    pub(crate) patience: Patience,
    pub(crate) key: u64,
    pub(crate) trial: Option<Trial>,
    pub(crate) probe: Option<Probe>,
    /// Whose it is, if nothing is known of it.
    pub(crate) unknown_of: Option<Arc<Flow>>,
}

impl Account {
    /// The entry of a job that is not begun any more after `latest`.
    pub(crate) fn new(arrival: Arrival, latest: u64, books: Books, lane: u8) -> Self {
        Self {
            flow: arrival.flow,
            own: arrival.own,
            carried: AtomicU8::new(0),
            cost: AtomicU64::new(arrival.cost),
            latest: AtomicU64::new(latest),
            patience: arrival.patience,
            key: arrival.key,
            books,
            lane: AtomicU8::new(lane),
            trial: arrival.trial,
            probe: arrival.probe,
            unknown_of: arrival.unknown_of,
        }
    }

    pub(crate) fn flow(&self) -> &Flow {
        match &self.own {
            // Relaxed, as for `book`.
            Some(own) if self.carried.load(Ordering::Relaxed) != 0 => own,
            _ => &self.flow,
        }
    }

    pub(crate) fn cost(&self) -> u64 {
        // Relaxed, as for `book`.
        self.cost.load(Ordering::Relaxed)
    }

    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Relaxed)
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The flow that is to know what it costs, if nothing is known of it.
    pub(crate) fn unknown_of(&self) -> Option<&Arc<Flow>> {
        self.unknown_of.as_ref()
    }

    /// Moves it to the book of another lane, because of what it will really cost. `here` and `there` is what the clocks show by which
    /// jobs wait in both lanes.
    pub(crate) fn move_to(&self, lane: u8, cost: Duration, here: u64, there: u64) {
        let cost = nanos(cost);
        self.cost.store(cost, Ordering::Relaxed);
        self.lane.store(lane, Ordering::Relaxed);
        self.carried.store(1, Ordering::Relaxed);
        let mut may_wait = self.latest().saturating_sub(here);
        if matches!(self.patience, Patience::Proportional { .. }) {
            let takes = self.book().wall_time_of(cost);
            // It was taken, and nobody knew then that it would have to wait here.
            let gone_soon = self.book().projected_delay(self.flow()) <= self.patience.burst();
            let patience = if gone_soon {
                self.patience.in_burst(takes)
            } else {
                self.patience.of(takes)
            };
            may_wait = may_wait.max(patience);
        }
        self.latest
            .store(there.saturating_add(may_wait), Ordering::Relaxed);
        self.book().take_over(self.flow(), cost);
    }

    /// What it cost in all is known.
    pub(crate) fn has_cost(&self, cost: Duration) {
        if let Some(trial) = &self.trial {
            trial.has_cost(cost);
        }
    }

    /// Its run has ended, though what it has begun may go on and wait.
    pub(crate) fn ended(&self, now: u64) {
        self.end_probe();
        self.book().end(self.cost(), now);
    }

    fn end_probe(&self) {
        if let Some(probe) = &self.probe {
            probe.end();
        }
    }

    fn book(&self) -> &Backlog {
        // Relaxed: the state of the job orders who changes it and who reads it.
        &self.books[usize::from(self.lane.load(Ordering::Relaxed))]
    }
}

impl Follow for Account {
    fn entered(&self) {
        self.book().enter(self.flow(), self.cost());
    }

    fn began(&self) {
        self.book().begin(self.flow(), self.cost());
        if let Some(trial) = &self.trial {
            trial.begun();
        }
    }

    fn left(&self) {
        self.end_probe();
        self.book().leave(self.flow(), self.cost());
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("cost", &self.cost())
            .finish_non_exhaustive()
    }
}
