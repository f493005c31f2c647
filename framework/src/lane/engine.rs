//! Where the lane's protocol meets rayon: hands it runners and visits, and serves the gate on its threads.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_task::Runnable;
use rayon::{ThreadPool, Yield};

use super::{
    account::Books,
    bill::Bill,
    cancel::CancelToken,
    entry::{Carried, Entry, Removal, Work},
    gate::{Arrival, Attendant, Breath, Gate, Wanted},
    ledger::Ledger,
    resident::{Place, ResidentBuilder},
    shelf::Shelf,
    watch::Watch,
};
use crate::{
    admission::{Backlog, Flow},
    clock::Reading,
    cost::CostMemo,
    os::{self, Cores, Priority, ThreadRef},
    quiet,
};

/// Called around each piece of work on a lane thread.
pub(crate) type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// How many foreign rayon jobs a thread lets through between two jobs of the lane, so that they don't starve it.
const FOREIGN_JOBS_A_BREATH: usize = 32;

/// What the lane's threads own together. It does not own the pool, so threads and wakers may hold it for ever.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) gate: Gate<Arc<Entry>, Runnable, Shelf>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) around: Option<Arc<Around>>,
    pub(crate) local: Option<Arc<ResidentBuilder>>,
    pub(crate) bound: usize,
    pub(crate) slots: usize,
    /// Whose jobs they are that come without a flow of their own.
    pub(crate) flow: Arc<Flow>,
    /// The books of this lane and of those to which its jobs can move.
    pub(crate) books: Books,
    /// Which book is this lane's.
    pub(crate) index: u8,
    pub(crate) watch: Option<Watch>,
    pub(crate) memo: Arc<CostMemo>,
    pub(crate) priority: Priority,
    pub(crate) threads: Box<[LaneThreadState]>,
    /// Where jobs go on that turn out to be too long for this lane before they have begun.
    pub(crate) longer: OnceLock<Longer>,
    /// Where jobs are spread over the cores.
    pub(crate) cores: Option<Cores>,
    pub(crate) closed: AtomicBool,
    pub(crate) epoch: Instant,
    pub(crate) engine: OnceLock<Weak<Engine>>,
}

/// What is known of one lane thread from outside.
#[derive(Default)]
pub(crate) struct LaneThreadState {
    /// For the operating system; set as the thread starts.
    pub(crate) os: OnceLock<ThreadRef>,
    /// What the cost of its present work is remembered under; 0 if it isn't.
    pub(crate) key: AtomicU64,
    /// Whether it was set back to the lowest priority. Locked while that changes, by the watch and the thread itself.
    set_back: Mutex<bool>,
}

/// The lane for jobs that are too long for another.
pub(crate) struct Longer {
    pub(crate) lane: Weak<Engine>,
    /// Jobs above this cost go there.
    pub(crate) limit: Duration,
}

impl Shared {
    /// Nanoseconds on the lane's clock.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
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
        if self.gate.notify(index) == Wanted::Visit {
            self.send_visit();
        }
    }

    /// Refuses further jobs from now on.
    pub(crate) fn refuse_all(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Removes all jobs that have not begun; their closures are dropped here, on the calling thread.
    pub(crate) fn remove_all(&self) {
        while let Some(entry) = self.gate.take_fresh() {
            if let Removal::Taken(work) = entry.remove() {
                drop(work);
            }
        }
    }

    /// Drops the jobs that have waited too long, which tells their owners.
    pub(crate) fn expire_late(&self) {
        for entry in self.gate.take_late(self.now()) {
            self.expire(&entry);
        }
    }

    fn expire(&self, entry: &Entry) {
        if let Some(work) = entry.expire() {
            self.surround("a job that had waited too long", || drop(work));
            entry.account().home().canceled_was_expired();
        }
    }

    /// Remembers that the work that thread `index` began then costs at least so much, unless it has ended.
    pub(crate) fn remember(&self, index: usize, began: u64, cost: Duration) {
        let key = self.threads[index].key.load(Ordering::Relaxed);
        if key != 0 && self.gate.is_overdue_since(index, began) {
            self.memo.at_least(key, cost);
        }
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
        if let Some(os) = thread.os.get()
            && os::can_restore()
        {
            *set_back = os::demote(os).is_ok();
        }
        true
    }

    fn attend(&self, arrival: Arrival) {
        let Some(place) = Place::on_this_thread() else {
            return; // Only a lane thread runs what was given to its pool.
        };
        let attendant = LaneThread {
            shared: self,
            place: &place,
        };
        if arrival == Arrival::Visit {
            place.count_visit();
        }
        if self.gate.attend(place.index(), arrival, &attendant) == Wanted::Visit {
            self.send_visit();
        }
    }

    /// Whether the last lane and the last task are gone, and only the threads are still to end.
    fn has_ended(&self) -> bool {
        let engine = self.engine.get();
        engine.is_some_and(|engine| engine.strong_count() == 0)
    }

    fn send_visit(&self) {
        // No engine: before the lane is built, when the first visit is promised already, or after its end, when only
        // the residents' destructors are left to run.
        if let Some(engine) = self.engine.get().and_then(Weak::upgrade) {
            engine.broadcast_visit();
        }
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

/// The pool and what its threads share. The pool ends with the last reference: lanes hold one, and so does each task
/// that has begun, because it still needs the threads.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    pool: ThreadPool,
}

impl Engine {
    pub(crate) fn start(shared: Arc<Shared>, pool: ThreadPool) -> std::io::Result<Arc<Self>> {
        let engine = Arc::new(Self { shared, pool });
        // This is the only place that sets it, once.
        let _ = engine.shared.engine.set(Arc::downgrade(&engine));
        if engine.shared.local.is_some() {
            engine.broadcast_visit(); // The one that `Seat::called` promised.
        }
        if engine.shared.watch.is_some() {
            Watch::start(&engine, format!("{}-watch", engine.shared.name))?;
        }
        Ok(engine)
    }

    /// Puts a job into the queue. False if the queue is physically full; then its work was dropped.
    pub(crate) fn enqueue(&self, entry: &Arc<Entry>) -> bool {
        match self.shared.gate.push(Arc::clone(entry)) {
            Ok(wanted) => {
                self.provide(wanted);
                true
            }
            Err(_) => {
                if let Removal::Taken(work) = entry.remove() {
                    drop(work);
                    entry.account().home().canceled_was_refused();
                }
                false
            }
        }
    }

    /// Puts a task that was woken into the queue.
    pub(crate) fn resume(&self, runnable: Runnable) {
        self.provide(self.shared.gate.resume(runnable));
    }

    pub(crate) fn provide(&self, wanted: Wanted) {
        match wanted {
            Wanted::Nothing => {}
            Wanted::Runner => {
                let shared = Arc::clone(&self.shared);
                self.pool.spawn(move || shared.attend(Arrival::Runner));
            }
            Wanted::Visit => self.broadcast_visit(),
        }
    }

    fn broadcast_visit(&self) {
        let shared = Arc::clone(&self.shared);
        self.pool
            .spawn_broadcast(move |_| shared.attend(Arrival::Visit));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(watch) = &self.shared.watch {
            watch.end();
        }
    }
}

/// One of the lane's threads, at work in the gate.
struct LaneThread<'a> {
    shared: &'a Shared,
    place: &'a Place,
}

impl LaneThread<'_> {
    /// Runs a job, if there is still something to run here. Returns what that has cost.
    fn run(&self, entry: &Arc<Entry>) -> Option<Duration> {
        let account = entry.account();
        if self.shared.now() > account.latest() {
            self.shared.expire(entry);
            return None;
        }
        if self.carried_away(entry) {
            return None;
        }
        // `None`: a tombstone.
        let work = entry.begin()?;
        let key = &self.shared.threads[self.place.index()].key;
        key.store(account.key(), Ordering::Relaxed);
        let token = CancelToken::of(entry);
        let claim = self.shared.cores.as_ref().map(Cores::claim);
        let mark = self.place.clock().start();
        self.shared
            .surround("a job", || token.scope(|| work.perform()));
        // A job may have given its work to the thread's resident. The first part of that belongs to the job's turn.
        if self.shared.gate.take_notice(self.place.index()) {
            self.place.poll_resident();
        }
        let cost = match self.place.clock().stop(mark).reading {
            Reading::Cost(cost) => cost,
            Reading::Suspect { at_most } => at_most,
        };
        drop(claim);
        key.store(0, Ordering::Relaxed);
        account.ended(self.shared.now());
        Some(cost)
    }

    /// Carries a job to the lane for longer ones if it was learned in the meantime that it belongs there. True if there
    /// is nothing left to run here.
    fn carried_away(&self, entry: &Arc<Entry>) -> bool {
        let (Some(longer), key) = (self.shared.longer.get(), entry.account().key()) else {
            return false;
        };
        let cost = self.shared.memo.predict(key);
        let (Some(cost), Some(lane)) = (cost, longer.lane.upgrade()) else {
            return false;
        };
        if key == 0 || cost <= longer.limit {
            return false;
        }
        match entry.carry(|account| account.move_to(lane.shared.index, cost, self.shared.now())) {
            Carried::Whole => {
                lane.enqueue(entry);
            }
            Carried::Doomed(work) => drop(work),
            Carried::Nothing => {}
        }
        true
    }
}

impl Attendant<Arc<Entry>, Runnable> for LaneThread<'_> {
    fn begin(&self, entry: Arc<Entry>) {
        // Taken now: another thread may have it next if it is carried to another lane.
        let Some(receipt) = entry.account().take_receipt() else {
            self.run(&entry);
            return;
        };
        let bill = Bill::new(self.place.shared(), &entry, receipt);
        match bill.offer(|| self.run(&entry)) {
            (Some(cost), Some(bill)) => bill.settle(cost),
            (None, Some(bill)) => bill.cancel(),
            (_, None) => {} // The job settles it.
        }
    }

    fn go_on(&self, task: Runnable) {
        self.shared.surround("a job", || Work::Poll(task).perform());
    }

    fn poll_resident(&self) {
        // One that always wakes itself would keep the thread of a lane that has ended.
        if !self.shared.has_ended() {
            self.place.poll_resident();
        }
    }

    fn breathe(&self, after: Breath) {
        match after {
            // A runner may stay for hours under load. What jobs have spawned on rayon, and the visits that were meant
            // for other threads, would pile up behind it.
            Breath::Job => {
                let mut foreign = 0;
                while foreign < FOREIGN_JOBS_A_BREATH {
                    let visits = self.place.visits();
                    if rayon::yield_local() != Some(Yield::Executed) {
                        break;
                    }
                    if self.place.visits() == visits {
                        foreign += 1;
                    }
                }
            }
            // The thread has nothing to do but poll: it should still help its neighbours' `join`s as an idle one would.
            Breath::PollOnly => {
                rayon::yield_now();
            }
        }
    }

    fn now(&self) -> u64 {
        self.shared.now()
    }

    fn work_began(&self) {
        if let Some(watch) = &self.shared.watch {
            watch.work_began();
        }
    }

    fn recover(&self) {
        let thread = &self.shared.threads[self.place.index()];
        let mut set_back = thread
            .set_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *set_back)
            && let Some(os) = thread.os.get()
        {
            os::restore(os, self.shared.priority);
        }
    }
}
