//! The cell of one queued job: whoever moves it on to an end owns what is in it, so it runs once or is dropped once.

use std::fmt;

use async_task::Runnable;

use super::ledger::Ticket;
use crate::sync::{AtomicBool, AtomicU8, Mutex, Ordering};

/// What a lane thread does for a job that has not begun.
pub(crate) struct Job {
    // It comes first: a job that is dropped is counted before its owner hears of it.
    pub(super) ticket: Ticket,
    pub(super) work: Work,
}

pub(crate) enum Work {
    /// Calls a closure that keeps its panics to itself.
    Call(Box<dyn FnOnce(Ticket) + Send>),
    /// Polls a task once.
    Poll(Runnable),
}

impl Job {
    pub(crate) fn perform(self) {
        let Self { ticket, work } = self;
        match work {
            Work::Call(call) => call(ticket),
            Work::Poll(runnable) => ticket.offer(|| {
                runnable.run();
            }),
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.work {
            Work::Call(_) => "Call",
            Work::Poll(_) => "Poll",
        })
    }
}

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const REMOVED: u8 = 2;
const EXPIRED: u8 = 3;
const MOVING: u8 = 4;
const DOOMED: u8 = 5;

/// What follows the job through its states: the accounts of the lanes.
pub(crate) trait Follow {
    /// The job was put into a queue.
    fn entered(&self);
    /// A lane thread took it from the queue to run it.
    fn began(&self);
    /// It left the queue and will never run.
    fn left(&self);
}

impl Follow for () {
    fn entered(&self) {}
    fn began(&self) {}
    fn left(&self) {}
}

/// One job in the queue.
///
/// ```text
/// QUEUED -> BEGUN     by a lane thread, which runs it
/// QUEUED -> EXPIRED   by a lane thread, because it has waited too long
/// QUEUED -> REMOVED   by the job's owner
/// QUEUED -> MOVING    by a lane thread that carries it to another queue, then
///           MOVING -> QUEUED, or, if its owner wanted to remove it in the meantime,
///           MOVING -> DOOMED (by the owner) -> REMOVED (by the thread)
/// ```
///
/// Whoever moves the state on to an end owns what is in it. An entry that was removed stays in the queue as an empty
/// tombstone until a lane thread meets it.
#[derive(Debug)]
pub(crate) struct Entry<W, A> {
    state: AtomicU8,
    // Locked only by whoever moved the state on, thus never contended: no thread ever waits here for another.
    work: Mutex<Option<W>>,
    /// Its owner went away after it had begun.
    abandoned: AtomicBool,
    account: A,
}

impl<W, A: Follow> Entry<W, A> {
    /// A job that is about to be queued.
    pub(crate) fn new(work: W, account: A) -> Self {
        account.entered();
        Self {
            state: AtomicU8::new(QUEUED),
            work: Mutex::new(Some(work)),
            abandoned: AtomicBool::new(false),
            account,
        }
    }

    pub(crate) fn account(&self) -> &A {
        &self.account
    }

    /// Takes the work to run it. `None` if it was removed.
    pub(crate) fn begin(&self) -> Option<W> {
        let work = self.claim(BEGUN)?;
        self.account.began();
        Some(work)
    }

    /// Takes the work so that it never runs, or tells it that its owner has gone.
    pub(crate) fn remove(&self) -> Removal<W> {
        loop {
            match self.claim(REMOVED) {
                Some(work) => {
                    self.account.left();
                    return Removal::Taken(work);
                }
                None => match self.state.compare_exchange(
                    MOVING,
                    DOOMED,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => return Removal::Promised,
                    Err(QUEUED) => {} // It has been moved in the meantime.
                    Err(_) => {
                        self.abandoned.store(true, Ordering::Relaxed);
                        return Removal::Late;
                    }
                },
            }
        }
    }

    /// Takes the work because it has waited too long. `None` if it was removed.
    pub(crate) fn expire(&self) -> Option<W> {
        let work = self.claim(EXPIRED)?;
        self.account.left();
        Some(work)
    }

    /// Whether its owner wanted to remove it when it had begun.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Whether it ended by [`expire`](Self::expire).
    pub(crate) fn has_expired(&self) -> bool {
        self.state.load(Ordering::Acquire) == EXPIRED
    }

    /// Whether nothing is left in it.
    pub(crate) fn is_tombstone(&self) -> bool {
        !matches!(self.state.load(Ordering::Acquire), QUEUED | MOVING)
    }

    /// Holds the job while `transfer` enters it on the book of another queue.
    pub(crate) fn carry(&self, transfer: impl FnOnce(&A)) -> Carried<W> {
        if self
            .state
            .compare_exchange(QUEUED, MOVING, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return Carried::Nothing;
        }
        self.account.left();
        transfer(&self.account);
        if self
            .state
            .compare_exchange(MOVING, QUEUED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            return Carried::Whole;
        }
        // DOOMED: the owner has gone, and the rest is for us to do.
        self.state.store(REMOVED, Ordering::Release);
        self.account.left();
        Carried::Doomed(self.work.lock().ok().and_then(|mut work| work.take()))
    }

    fn claim(&self, next: u8) -> Option<W> {
        self.state
            .compare_exchange(QUEUED, next, Ordering::AcqRel, Ordering::Acquire)
            .ok()?;
        // A poisoned lock can't be: nothing here panics while it is held.
        self.work.lock().ok()?.take()
    }
}

/// What became of the wish to remove a job.
#[derive(Debug)]
pub(crate) enum Removal<W> {
    /// The job never runs, and this was its work.
    Taken(W),
    /// The job never runs; the thread that is moving it drops its work in a moment.
    Promised,
    /// It has begun, or had ended before.
    Late,
}

/// What became of carrying a job to another queue.
#[derive(Debug)]
pub(crate) enum Carried<W> {
    /// It can be put there.
    Whole,
    /// Its owner removed it meanwhile; this is what is left to drop.
    Doomed(Option<W>),
    /// It had ended before.
    Nothing,
}
