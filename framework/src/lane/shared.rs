//! What a lane's threads own together.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_task::Runnable;

use super::{
    account::{Books, Entry},
    entry::{Job, Removal},
    gate::{Gate, Wanted},
    ledger::{End, Ledger},
    park::{ParkBuilder, ResidentBuilder, Unparker},
    shelf::Shelf,
    unknown::Unknown,
    waiting::WaitingClock,
    watch::Watch,
};
use crate::{
    admission::{Backlog, Flow},
    cost::CostMemo,
    nanos::nanos,
    os::{self, Priority, ThreadRef},
    quiet,
};

/// Called around each piece of work on a lane thread.
pub(crate) type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// What the lane's threads own together. It does not own the pool, so threads and wakers may hold it for ever.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) gate: Gate<Arc<Entry>, Runnable, Shelf>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) around: Option<Arc<Around>>,
    pub(crate) local: Option<Arc<ResidentBuilder>>,
    pub(crate) park: Option<Arc<ParkBuilder>>,
    pub(crate) bound: usize,
    pub(crate) slots: usize,
    /// Whose jobs they are that come without a flow of their own.
    pub(crate) flow: Arc<Flow>,
    /// The books of this lane and of those to which its jobs can move.
    pub(crate) books: Books,
    /// Which book is this lane's.
    pub(crate) index: u8,
    pub(crate) watch: Watch,
    pub(crate) memo: Arc<CostMemo>,
    pub(crate) priority: Priority,
    /// The lane threads, in the order of their indices, and then rayon's helpers.
    pub(crate) threads: Box<[LaneThreadState]>,
    /// Where jobs go on that turn out to be too long for this lane before they have begun.
    pub(crate) longer: OnceLock<Longer>,
    /// By which jobs wait.
    pub(super) waiting: WaitingClock,
    /// How many jobs run of which nothing is known.
    pub(crate) unknown: AtomicUsize,
    pub(crate) closed: AtomicBool,
    /// The last lane and the last task are gone, and only the threads are still to end.
    pub(crate) over: AtomicBool,
    pub(crate) epoch: Instant,
}

/// What is known of one lane thread from outside.
#[derive(Default)]
pub(crate) struct LaneThreadState {
    pub(crate) unparker: Unparker,
    /// For the operating system; set as the thread starts.
    pub(crate) os: OnceLock<ThreadRef>,
    /// What the cost of its present work is remembered under; 0 if it isn't.
    pub(crate) key: AtomicU64,
    /// Its present work, if nothing is known of that.
    pub(super) unknown: Unknown,
    /// Whether it was set back. Locked while that changes, by the watch and the thread itself.
    pub(super) set_back: Mutex<bool>,
}

/// The lane for jobs that are too long for another.
pub(crate) struct Longer {
    pub(crate) lane: Weak<Shared>,
    /// Jobs above this cost go there.
    pub(crate) limit: Duration,
}

impl Shared {
    /// Nanoseconds on the lane's clock.
    pub(crate) fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    /// Nanoseconds on the clock by which jobs wait.
    pub(super) fn waiting_now(&self) -> u64 {
        self.waiting.at(self.now())
    }

    pub(crate) fn book(&self) -> &Backlog {
        &self.books[usize::from(self.index)]
    }

    /// Calls `work` inside the lane's `around`, and keeps every panic in here.
    pub(crate) fn surround(&self, what: &'static str, work: impl FnOnce()) {
        let mut work = Some(work);
        let mut once = || {
            if let Some(work) = work.take() {
                work();
            }
        };
        let outcome = quiet::catch(|| match &self.around {
            Some(around) => around(&mut once),
            None => once(),
        });
        if let Err(payload) = outcome {
            quiet::report(what, payload);
        }
    }

    /// Wakes the resident of thread `index`.
    pub(crate) fn notify(&self, index: usize) {
        self.provide(self.gate.notify(index));
    }

    /// Does what the gate wants.
    pub(crate) fn provide(&self, wanted: Wanted) {
        match wanted {
            Wanted::Nothing => {}
            Wanted::Thread(index) => {
                self.threads[index].unparker.unpark();
                if self.gate.is_engaged(index) {
                    self.watch.work_began(); // It may not come.
                }
            }
        }
    }

    /// Puts a job into the queue. False if the queue is physically full; then its work was dropped.
    pub(crate) fn enqueue(&self, entry: &Arc<Entry>) -> bool {
        match self.gate.push(Arc::clone(entry)) {
            Ok(wanted) => {
                self.provide(wanted);
                true
            }
            Err(_) => {
                if let Removal::Taken(Job { ticket, work }) = entry.remove() {
                    ticket.end(End::Refused);
                    drop(work);
                }
                false
            }
        }
    }

    /// Refuses further jobs from now on.
    pub(crate) fn refuse_all(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Removes all jobs that have not begun; their closures are dropped here, on the calling thread.
    pub(crate) fn remove_all(&self) {
        while let Some((entry, _)) = self.gate.take_fresh() {
            if let Removal::Taken(work) = entry.remove() {
                drop(work);
            }
        }
    }

    /// Drops the jobs that have waited too long, which tells their owners.
    pub(crate) fn expire_late(&self) {
        for entry in self.gate.take_late(self.waiting_now()) {
            self.expire(&entry);
        }
    }

    pub(super) fn expire(&self, entry: &Entry) {
        if let Some(Job { ticket, work }) = entry.expire() {
            ticket.end(End::Expired);
            self.surround("a job that had waited too long", || drop(work));
        }
    }

    /// Remembers that the work that thread `index` began then costs at least so much, unless it has ended.
    pub(crate) fn remember(&self, index: usize, began: u64, cost: Duration) {
        let thread = &self.threads[index];
        let key = thread.key.load(Ordering::Relaxed);
        let unknown_of = thread.unknown.flow();
        if !self.gate.is_overdue_since(index, began) {
            return;
        }
        if key != 0 {
            self.memo.at_least(key, cost);
        }
        if let Some(flow) = unknown_of {
            flow.learn_at_least(cost);
        }
    }

    /// Lets a job run of which nothing is known, if there is a spare thread for the case that it is long. The others keep theirs, then.
    pub(super) fn let_in_unknown(&self) -> bool {
        let spares = self.gate.threads() - self.slots;
        let one_more = |unknown| (spares == 0 || unknown < spares).then_some(unknown + 1);
        self.unknown
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    pub(super) fn let_out_unknown(&self) {
        self.unknown.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether nothing is known of the work of thread `index`. Never waits, and may say no in doubt.
    pub(crate) fn is_unknown(&self, index: usize) -> bool {
        self.threads[index].unknown.flow().is_some()
    }

    /// The work of thread `index` that began then, and of which nothing is known, computes.
    pub(crate) fn computes(&self, index: usize, began: u64) {
        let still = || self.gate.is_overdue_since(index, began);
        self.threads[index].unknown.computes(still);
    }

    /// Sets thread `index` behind all others for the rest of the work that it began then. False if that work has ended.
    pub(crate) fn set_back(&self, index: usize, began: u64) -> bool {
        let thread = &self.threads[index];
        // Held until it is done, so that a thread whose work ends in between finds itself set back, and not later.
        let mut set_back = thread
            .set_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.gate.is_overdue_since(index, began) {
            return false;
        }
        if let Some(os) = thread.os.get() {
            *set_back = os::set_back(os).is_ok();
        }
        true
    }

    /// Whether the last lane and the last task are gone.
    pub(super) fn has_ended(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
