//! What became of every job that came to a lane: one ticket a job, settled once.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::admission::Refusal;

/// What a lane has done since it was built.
///
/// The counters are read one by one while the lane works, so they may be off against each other by what happened in
/// between. In a lane at rest, `submitted` is the sum of `finished`, `cancelled` and `expired`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// Jobs that entered the queue or ran inline.
    pub submitted: u64,
    /// Jobs that ran to their end, by returning or by panicking.
    pub finished: u64,
    /// Jobs that the lane did not take because it was full.
    pub refused: u64,
    /// Those of them for which there was no room.
    pub refused_for_room: u64,
    /// Those of them that came while the lane was about to end.
    pub refused_at_the_end: u64,
    /// Jobs that were removed before they began, and tasks that were dropped half done.
    pub cancelled: u64,
    /// Jobs that waited longer than they were allowed to, and were dropped instead of begun.
    pub expired: u64,
    /// Jobs that ended in a panic; `finished` counts these, too.
    pub panicked: u64,
    /// Polls of a thread's resident future that panicked.
    pub resident_panics: u64,
}

/// What is going on in a lane, and what it has done; see [`Lanes::short`](crate::Lanes::short).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LaneState {
    /// The lane's name.
    pub name: String,
    /// How many jobs it runs at a time.
    pub threads: usize,
    /// How many jobs may wait.
    pub queue_bound: usize,
    /// How many jobs wait for their beginning. Removed jobs and tasks between two polls don't count.
    pub queued: usize,
    /// How many threads are at work: in a job, or polling their resident future.
    pub running: usize,
    /// How many of the slots for jobs are taken, with those that were lent because a job is overdue.
    pub slots_taken: usize,
    /// The expected wait of a job that is submitted now, without a flow of its own.
    ///
    /// It is projected from what waits, what that was predicted to cost, and how fast the lane has worked off such
    /// predictions of late.
    pub projected_delay: Duration,
    /// What it has done since it was built.
    pub stats: LaneStats,
}

impl LaneStats {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            submitted: self.submitted + other.submitted,
            finished: self.finished + other.finished,
            refused: self.refused + other.refused,
            refused_for_room: self.refused_for_room + other.refused_for_room,
            refused_at_the_end: self.refused_at_the_end + other.refused_at_the_end,
            cancelled: self.cancelled + other.cancelled,
            expired: self.expired + other.expired,
            panicked: self.panicked + other.panicked,
            resident_panics: self.resident_panics + other.resident_panics,
        }
    }
}

/// The counters of one lane.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    submitted: AtomicU64,
    finished: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    cancelled: AtomicU64,
    expired: AtomicU64,
    panicked: AtomicU64,
    resident_panics: AtomicU64,
}

impl Ledger {
    /// The ticket of a job that may enter.
    pub(crate) fn admit(self: &Arc<Self>) -> Ticket {
        Ticket {
            ledger: Arc::clone(self),
            is_open: true,
        }
    }

    /// A job has entered the queue or runs inline.
    pub(crate) fn submitted(&self) {
        self.submitted.fetch_add(1, Relaxed);
    }

    /// A job was not taken.
    pub(crate) fn refuse(&self, why: Refusal) {
        self.refused[why.index()].fetch_add(1, Relaxed);
    }

    pub(crate) fn resident_panicked(&self) {
        self.resident_panics.fetch_add(1, Relaxed);
    }

    pub(crate) fn stats(&self) -> LaneStats {
        let refused = |why: Refusal| self.refused[why.index()].load(Relaxed);
        LaneStats {
            submitted: self.submitted.load(Relaxed),
            finished: self.finished.load(Relaxed),
            refused: Refusal::ALL.into_iter().map(refused).sum(),
            refused_for_room: refused(Refusal::QueueFull),
            refused_at_the_end: refused(Refusal::Closed),
            cancelled: self.cancelled.load(Relaxed),
            expired: self.expired.load(Relaxed),
            panicked: self.panicked.load(Relaxed),
            resident_panics: self.resident_panics.load(Relaxed),
        }
    }
}

thread_local! {
    /// The ticket of the task that the calling thread is about to poll for the first time.
    static OFFERED: Cell<Option<Ticket>> = const { Cell::new(None) };
}

/// One job's entry in the ledger. It goes with the job, and settles it in one column as it is dropped at the latest.
#[derive(Debug)]
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    is_open: bool,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Returned,
    Panicked,
    /// It had waited too long before it began.
    Expired,
    /// There was no room for it after all.
    Refused,
}

impl Ticket {
    /// Settles the job. One whose ticket is merely dropped was cancelled.
    pub(crate) fn end(mut self, end: End) {
        self.is_open = false;
        match end {
            End::Returned => {
                self.ledger.finished.fetch_add(1, Relaxed);
            }
            End::Panicked => {
                self.ledger.panicked.fetch_add(1, Relaxed);
                self.ledger.finished.fetch_add(1, Relaxed);
            }
            End::Expired => {
                self.ledger.expired.fetch_add(1, Relaxed);
            }
            End::Refused => self.ledger.refuse(Refusal::QueueFull),
        }
    }

    /// Offers the ticket to the task that `poll` polls.
    pub(super) fn offer(self, poll: impl FnOnce()) {
        // A job may be started inside of another one's poll, on one of the lane's own threads.
        let before = OFFERED.replace(Some(self));
        poll();
        OFFERED.set(before);
    }

    /// Takes the ticket that is offered on this thread.
    pub(super) fn take_offered() -> Option<Self> {
        OFFERED.take()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_open {
            self.ledger.cancelled.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_job_ends_in_one_column() {
        let ledger = Arc::new(Ledger::default());
        for end in [End::Returned, End::Panicked, End::Expired] {
            ledger.submitted();
            ledger.admit().end(end);
        }
        ledger.submitted();
        drop(ledger.admit());
        ledger.admit().end(End::Refused);

        let expected = LaneStats {
            submitted: 4,
            finished: 2,
            refused: 1,
            refused_for_room: 1,
            refused_at_the_end: 0,
            cancelled: 1,
            expired: 1,
            panicked: 1,
            resident_panics: 0,
        };
        assert_eq!(ledger.stats(), expected);
    }
}
