//! Where the lane's protocol meets rayon: hands it runners and visits, and serves the gate on its threads.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use async_task::Runnable;
use rayon::{ThreadPool, Yield};

use super::{
    entry::{Entry, Work},
    gate::{Arrival, Attendant, Breath, Gate, Wanted},
    ledger::Ledger,
    resident::{Place, ResidentBuilder},
};
use crate::quiet;

/// Called around each piece of work on a lane thread.
pub(crate) type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// How many foreign rayon jobs a thread lets through between two jobs of the lane, so that they don't starve it.
const FOREIGN_JOBS_A_BREATH: usize = 32;

/// What waits in the gate.
#[derive(Debug)]
pub(crate) enum Job {
    /// A job that has not begun.
    Fresh(Arc<Entry>),
    /// A task that goes on.
    Resumed(Runnable),
}

/// What the lane's threads own together. It does not own the pool, so threads and wakers may hold it for ever.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) gate: Gate<Job>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) around: Option<Around>,
    pub(crate) local: Option<ResidentBuilder>,
    engine: OnceLock<Weak<Engine>>,
}

impl Shared {
    pub(crate) fn new(
        name: String,
        gate: Gate<Job>,
        ledger: Ledger,
        around: Option<Around>,
        local: Option<ResidentBuilder>,
    ) -> Self {
        Self {
            name,
            gate,
            ledger: Arc::new(ledger),
            around,
            local,
            engine: OnceLock::new(),
        }
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

    /// Removes all jobs that have not begun; their closures are dropped here, on the calling thread.
    pub(crate) fn close(&self) {
        while let Some(job) = self.gate.take_fresh() {
            if let Job::Fresh(entry) = job {
                drop(entry.remove());
            }
        }
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
    pub(crate) fn start(shared: Arc<Shared>, pool: ThreadPool) -> Arc<Self> {
        let engine = Arc::new(Self { shared, pool });
        // This is the only place that sets it, once.
        let _ = engine.shared.engine.set(Arc::downgrade(&engine));
        if engine.shared.local.is_some() {
            engine.broadcast_visit(); // The one that `Seat::called` promised.
        }
        engine
    }

    /// Puts `work` into the queue. `None`, and `work` is dropped, if the queue is physically full.
    pub(crate) fn enqueue(&self, work: Work) -> Option<Arc<Entry>> {
        let entry = Arc::new(Entry::new(work));
        match self.shared.gate.push(Job::Fresh(Arc::clone(&entry))) {
            Ok(wanted) => {
                self.provide(wanted);
                Some(entry)
            }
            Err(job) => {
                drop((job, entry));
                self.shared.ledger.canceled_was_refused();
                None
            }
        }
    }

    /// Puts a task that was woken into the queue.
    pub(crate) fn resume(&self, runnable: Runnable) {
        self.provide(self.shared.gate.resume(Job::Resumed(runnable)));
    }

    fn provide(&self, wanted: Wanted) {
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

/// One of the lane's threads, at work in the gate.
struct LaneThread<'a> {
    shared: &'a Shared,
    place: &'a Place,
}

impl Attendant<Job> for LaneThread<'_> {
    fn run(&self, job: Job) {
        let work = match job {
            Job::Fresh(entry) => match entry.begin() {
                Some(work) => work,
                None => return, // A tombstone.
            },
            Job::Resumed(runnable) => Work::Poll(runnable),
        };
        self.shared.surround("a job", || work.perform());
    }

    fn poll_resident(&self) {
        self.place.poll_resident();
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
}
