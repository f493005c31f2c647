//! The cell of one queued job: whoever moves it on from "queued" owns what is in it, so it runs once or is dropped once.

use std::fmt;

use async_task::Runnable;

use crate::sync::{AtomicU8, Mutex, Ordering};

/// What a lane thread does for a job.
pub(crate) enum Work {
    /// Calls a closure that keeps its panics to itself.
    Call(Box<dyn FnOnce() + Send>),
    /// Polls a task once.
    Poll(Runnable),
}

impl Work {
    pub(crate) fn perform(self) {
        match self {
            Self::Call(call) => call(),
            Self::Poll(runnable) => {
                runnable.run();
            }
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call(_) => "Call",
            Self::Poll(_) => "Poll",
        })
    }
}

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const REMOVED: u8 = 2;

/// One job in the queue. `QUEUED -> BEGUN` by a lane thread, or `QUEUED -> REMOVED` by the job's owner; a removed entry
/// stays in the queue as an empty tombstone until a lane thread meets it.
#[derive(Debug)]
pub(crate) struct Entry<W = Work> {
    state: AtomicU8,
    // Locked only by whoever moved the state on, thus never contended: no thread ever waits here for another.
    work: Mutex<Option<W>>,
}

impl<W> Entry<W> {
    pub(crate) fn new(work: W) -> Self {
        Self {
            state: AtomicU8::new(QUEUED),
            work: Mutex::new(Some(work)),
        }
    }

    /// Takes the work to run it. `None` if it was removed.
    pub(crate) fn begin(&self) -> Option<W> {
        self.claim(BEGUN)
    }

    /// Takes the work so that it never runs. `None` if it has begun.
    pub(crate) fn remove(&self) -> Option<W> {
        self.claim(REMOVED)
    }

    fn claim(&self, next: u8) -> Option<W> {
        self.state
            .compare_exchange(QUEUED, next, Ordering::AcqRel, Ordering::Acquire)
            .ok()?;
        // A poisoned lock can't be: nothing here panics while it is held.
        self.work.lock().ok()?.take()
    }
}
