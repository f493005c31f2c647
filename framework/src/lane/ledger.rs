//! Who may enter the queue and what became of everyone who did: one ticket a job, settled by its destructor.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// What a lane has done since it was built.
///
/// The counters are read one by one while the lane works, so they may be off against each other by what happened in
/// between. In a lane at rest, `submitted` is the sum of `finished` and `canceled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// Jobs that entered the queue or ran inline.
    pub submitted: u64,
    /// Jobs that ran to their end, by returning or by panicking.
    pub finished: u64,
    /// Jobs that the lane did not take because it was full.
    pub refused: u64,
    /// Jobs that were removed before they began, and tasks that were dropped half done.
    pub canceled: u64,
    /// Jobs that ended in a panic; `finished` counts these, too.
    pub panicked: u64,
    /// Polls of a thread's resident future that panicked.
    pub resident_panics: u64,
}

/// The counters of one lane.
#[derive(Debug)]
pub(crate) struct Ledger {
    bound: usize,
    queued: AtomicUsize,
    submitted: AtomicU64,
    finished: AtomicU64,
    refused: AtomicU64,
    canceled: AtomicU64,
    panicked: AtomicU64,
    resident_panics: AtomicU64,
}

impl Ledger {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            bound,
            queued: AtomicUsize::new(0),
            submitted: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            canceled: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            resident_panics: AtomicU64::new(0),
        }
    }

    /// A place in the queue for one job, or `None` if the bound is reached.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Ticket> {
        let admitted = self.queued.fetch_update(Relaxed, Relaxed, |queued| {
            (queued < self.bound).then_some(queued + 1)
        });
        if admitted.is_err() {
            self.refuse();
            return None;
        }
        self.submitted.fetch_add(1, Relaxed);
        Some(self.ticket(Stage::Queued))
    }

    /// A ticket for a job that begins at once and takes no place in the queue.
    pub(crate) fn admit_inline(self: &Arc<Self>) -> Ticket {
        self.submitted.fetch_add(1, Relaxed);
        self.ticket(Stage::Begun)
    }

    /// Turns a job that was admitted and canceled for want of physical room into a refused one.
    pub(crate) fn canceled_was_refused(&self) {
        self.submitted.fetch_sub(1, Relaxed);
        self.canceled.fetch_sub(1, Relaxed);
        self.refuse();
    }

    pub(crate) fn resident_panicked(&self) {
        self.resident_panics.fetch_add(1, Relaxed);
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }

    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    pub(crate) fn stats(&self) -> LaneStats {
        LaneStats {
            submitted: self.submitted.load(Relaxed),
            finished: self.finished.load(Relaxed),
            refused: self.refused.load(Relaxed),
            canceled: self.canceled.load(Relaxed),
            panicked: self.panicked.load(Relaxed),
            resident_panics: self.resident_panics.load(Relaxed),
        }
    }

    fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    fn ticket(self: &Arc<Self>, stage: Stage) -> Ticket {
        Ticket {
            ledger: Arc::clone(self),
            stage,
        }
    }
}

/// One job's entry in the ledger. It lives inside the job, so a job that is dropped anywhere settles its account.
#[derive(Debug)]
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Queued,
    Begun,
    Ended,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Returned,
    Panicked,
}

impl Ticket {
    /// The job begins, so its place in the queue is free. Further calls change nothing.
    pub(crate) fn begin(&mut self) {
        if self.stage == Stage::Queued {
            self.ledger.queued.fetch_sub(1, Relaxed);
            self.stage = Stage::Begun;
        }
    }

    /// The job has run to its end.
    pub(crate) fn end(&mut self, end: End) {
        self.begin();
        if std::mem::replace(&mut self.stage, Stage::Ended) == Stage::Ended {
            return;
        }
        if end == End::Panicked {
            self.ledger.panicked.fetch_add(1, Relaxed);
        }
        self.ledger.finished.fetch_add(1, Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.begin();
        if self.stage != Stage::Ended {
            self.ledger.canceled.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_however_the_job_goes() {
        let ledger = Arc::new(Ledger::new(2));
        let mut ran = ledger.admit().unwrap();
        let dropped = ledger.admit().unwrap();
        assert!(ledger.admit().is_none());
        assert_eq!(ledger.queued(), 2);

        ran.begin();
        ran.begin();
        assert_eq!(ledger.queued(), 1);
        ran.end(End::Panicked);
        ran.end(End::Returned);
        drop(ran);
        drop(dropped);
        drop(ledger.admit_inline());

        assert_eq!(ledger.queued(), 0);
        let expected = LaneStats {
            submitted: 3,
            finished: 1,
            refused: 1,
            canceled: 2,
            panicked: 1,
            resident_panics: 0,
        };
        assert_eq!(ledger.stats(), expected);
    }
}
