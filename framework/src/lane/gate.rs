//! The protocol between those who submit, cancel and wake, and the lane's threads: no job waits while a thread is idle.
//!
//! Each lane thread stays in [`Gate::serve`] for its whole life. It takes jobs from the queue, polls its own resident, and
//! parks. No job of a lane is a rayon job: rayon runs the halves of `join` and what jobs spawn on it, and nothing else, so
//! what waits inside of rayon on a lane thread can never start a further job of the lane. This module is the part of
//! the lane that knows neither rayon nor futures, so that loom can run all of it.
//!
//! # Invariants
//!
//! * **I1** Whoever takes jobs holds a slot. Who wants a job to be run takes a slot for the thread that it calls; a thread
//!   that finds jobs before it sleeps takes one itself. Never more slots are held than `limit` says, except for the moment
//!   between the end of a loan (I4) and the borrower's next job.
//! * **I2** Jobs are run and residents are polled by `serve` only, one after the other. So a resident is never polled inside
//!   a job, and no job begins inside another.
//! * **I3** Who puts a job in the queue, or gives a slot back, looks *afterwards* whether a job, a slot and a parked thread
//!   are there, and if so calls that thread. A thread lies down (`PARKED`) and looks *afterwards* whether a job and a slot are
//!   there. A `SeqCst` fence separates the two steps on each side. So of two such parties at least one sees the other.
//!   `PARKED` is set only while the resident wants nothing, in one step; who wakes the resident sets `NOTIFIED` and clears
//!   `PARKED` in one step. Who clears `PARKED` of another thread unparks it.
//! * **I4** A slot whose job outlives its class is lent, as soon as a thread is left for it: the lane's watch raises `limit`
//!   by one and then looks for jobs, as after a push. The job's end lowers `limit` again; who then holds a slot too many
//!   gives it back after its job. At least one slot is always there to be held, but for I5, so somebody is left who looks.
//! * **I5** The watch may withdraw slots for a while: it lowers `limit`, and who then holds a slot too many gives it back
//!   after its job. When it restores one it raises `limit` and then looks for jobs, as after a push. While all are
//!   withdrawn it is the watch that looks: it neither sleeps nor ends before it has restored them. It may also add slots for
//!   which there are threads, and take them away again.
//! * **I6** A thread that was called with a slot and does not come, because what it drives keeps it or the kernel has set it
//!   aside, loses the slot: the watch takes it back, and looks for jobs as after a push. The thread is not parked, so it is not
//!   called again before it has come.
//! * **I7** A thread that has just run a job may look for the next one for some microseconds before it lies down. It is counted
//!   in `lookers` while it does; who submits meanwhile calls nobody. It takes itself off the count, then looks into the
//!   queue, with a fence between; and when it has taken a job, it looks for more, as after a push.
//!
//! # Why no job is stuck while a slot is free
//!
//! Take a job that is in the queue, and the last of all steps that gave a slot back or put it there. Who took that step
//! looked afterwards (I3). It found no free slot: then another party holds one that was given back later, against the
//! choice of the step. Or it found no parked thread: then each thread will look before it sleeps, and the first to do so takes
//! the slot. Or it called a thread, which got the slot and takes jobs until none is left.
//!
//! # The queue
//!
//! New jobs come in through a lock-free inbox, because those who submit are event loops. Lane threads move them onto the
//! *shelf*, which has the order, behind a mutex; a submitter touches the shelf only with `try_lock` and only when the
//! inbox is full of what nobody has fetched. `waiting` counts both, and is raised *after* the push: a job that is
//! there but not counted belongs to a submitter that has still to look for a slot (I3), so nobody needs to see it yet.
//!
//! # Which thread is called
//!
//! The first that is parked and not engaged: on which no job waits, and that drives nothing but itself. Else the first that is
//! parked. So what waits is seldom behind what
//! computes, and no more threads are used than are needed at a time.

use std::{fmt, sync::PoisonError};

use super::{
    seat::{Seat, Willing},
    tenure::{Holds, Tenure},
};
use crate::sync::{
    AtomicIsize, AtomicUsize, Bounded, Mutex, MutexGuard, Ordering, Unbounded, fence,
};

/// What a caller has to do after it changed the gate's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wanted {
    /// Nothing: somebody will look.
    Nothing,
    /// Unpark the thread with this index, which has been called.
    Thread(usize),
}

/// What a lane thread does. None of it may unwind.
pub(crate) trait Attendant<T, R> {
    /// Runs one job that has not begun, or sees that it has been removed.
    fn begin(&self, job: T);
    /// Polls one task that has begun.
    fn go_on(&self, task: R);
    /// Polls the thread's resident once.
    fn poll_resident(&self);
    /// Lets the thread's own timers and sockets through, between two pieces of work.
    fn breathe(&self);
    /// Whether it is worth while to look for the next job for a moment before the thread sleeps.
    fn lingers(&self) -> bool;
    /// Whether to look once more.
    fn looks_on(&self) -> bool;
    /// The thread has nothing to do, and is about to be callable.
    fn will_lie_down(&self);
    /// Sleeps until it is unparked; may return early.
    fn park(&self);
    /// Runs what rayon has for this very thread. True if there was something.
    fn run_errands(&self) -> bool;
    /// Unparks another thread.
    fn unpark(&self, index: usize);
    /// Whether the lane has ended.
    fn is_over(&self) -> bool;
    /// Nanoseconds on the lane's own clock.
    fn now(&self) -> u64;
    /// A piece of work is about to be done; the watch may have to be told.
    fn work_began(&self);
    /// The work at hand was found overdue, and has now ended.
    fn recover(&self);
}

/// The order of the jobs that have not begun. None of it may run foreign code.
pub(crate) trait Shelf<J> {
    /// A job that was taken out, with what the order wants to be told of it.
    type Taken;
    /// Takes a job in. False if it was a tombstone and is dropped.
    fn put(&mut self, job: J) -> bool;
    /// The next job.
    fn take(&mut self) -> Option<Self::Taken>;
    /// Takes the jobs that may not wait until `now` out into `late`, and drops the tombstones. Returns how many both were.
    fn take_late(&mut self, now: u64, late: &mut Vec<J>) -> usize;
    /// Drops the tombstones if they are too many. Returns how many it dropped.
    fn sweep(&mut self) -> usize;
}

/// So many jobs a submitter moves from a crowded inbox onto the shelf.
const RELIEF: usize = 64;

/// The queue, the slots and the seats of one lane.
pub(crate) struct Gate<J, R, S> {
    /// Jobs that have not begun, as they came in.
    inbox: Bounded<J>,
    /// Jobs that have not begun, in their order.
    shelf: Mutex<S>,
    /// How many jobs and tombstones are in the inbox and on the shelf; for moments less (see the module's text).
    waiting: AtomicIsize,
    /// Tasks that have begun and were woken. They are not bounded: each was admitted once, and a wake-up can't be refused.
    resumed: Unbounded<R>,
    slots_taken: AtomicUsize,
    /// How many threads look for a job at this moment (I7).
    lookers: AtomicUsize,
    /// How many slots there are: those of the lane, with those lent (I4) and without those withdrawn (I5).
    limit: AtomicUsize,
    /// How many slots there are but for loans and withdrawals.
    slots: usize,
    /// How many are withdrawn (I5). Written by the watch only.
    withdrawn: AtomicUsize,
    seats: Box<[Seat]>,
    tenures: Box<[Tenure]>,
}

impl<J, R, S: Shelf<J>> Gate<J, R, S> {
    /// A gate for so many threads, of which `slots` run jobs at a time, with room for `capacity` jobs and tombstones in the
    /// inbox.
    pub(crate) fn new(capacity: usize, slots: usize, threads: usize, shelf: S) -> Self {
        debug_assert!((1..=threads).contains(&slots));
        Self {
            inbox: Bounded::new(capacity),
            shelf: Mutex::new(shelf),
            waiting: AtomicIsize::new(0),
            resumed: Unbounded::new(),
            slots_taken: AtomicUsize::new(0),
            lookers: AtomicUsize::new(0),
            limit: AtomicUsize::new(slots),
            slots,
            withdrawn: AtomicUsize::new(0),
            tenures: (0..threads).map(|_| Tenure::default()).collect(),
            seats: (0..threads).map(|_| Seat::default()).collect(),
        }
    }

    /// Puts a job that has not begun into the queue, or gives it back if there is no room even for a tombstone.
    pub(crate) fn push(&self, job: J) -> Result<Wanted, J> {
        if let Err(job) = self.inbox.push(job) {
            self.relieve();
            self.inbox.push(job)?;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Ok(self.want_thread())
    }

    /// Puts a task that goes on into the queue.
    pub(crate) fn resume(&self, task: R) -> Wanted {
        self.resumed.push(task);
        self.want_thread()
    }

    /// Takes one job that has not begun, or a tombstone.
    pub(crate) fn take_fresh(&self) -> Option<S::Taken> {
        if self.waiting.load(Ordering::SeqCst) <= 0 {
            return None;
        }
        let mut shelf = self.shelf();
        self.unload(&mut shelf, usize::MAX);
        let swept = shelf.sweep();
        let job = shelf.take();
        // Still under the lock: nobody may find the shelf empty and yet something waiting, and look again and again.
        self.uncount(swept + usize::from(job.is_some()));
        job
    }

    /// Takes all jobs out that may not wait until `now`, in no order.
    pub(crate) fn take_late(&self, now: u64) -> Vec<J> {
        let mut late = Vec::new();
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let mut shelf = self.shelf();
            self.unload(&mut shelf, usize::MAX);
            let gone = shelf.take_late(now, &mut late);
            self.uncount(gone);
        }
        late
    }

    /// The jobs in their order. Never held while foreign code runs.
    pub(crate) fn shelf(&self) -> MutexGuard<'_, S> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the resident of thread `index` wants to be polled.
    pub(crate) fn notify(&self, index: usize) -> Wanted {
        if self.seats[index].notify() {
            Wanted::Thread(index)
        } else {
            Wanted::Nothing
        }
    }

    /// Takes the wish that the resident of thread `index` be polled. For the thread itself.
    pub(crate) fn take_notice(&self, index: usize) -> bool {
        self.seats[index].take_notice()
    }

    /// Marks what thread `index` has at hand as overdue if it began at `latest` or before, and lends its slot if a thread
    /// is left for it (I4). `None` if there was nothing to mark. Only one thread at a time may call this.
    pub(crate) fn mark_overdue(&self, index: usize, latest: u64) -> Option<Wanted> {
        // Slots that are withdrawn come back, and then there must still be a thread for each.
        let all = self.limit.load(Ordering::SeqCst) + self.withdrawn();
        let spare = all < self.seats.len();
        let lent = self.tenures[index].mark_overdue(latest, spare)?;
        if !lent {
            return Some(Wanted::Nothing);
        }
        self.limit.fetch_add(1, Ordering::SeqCst); // I4
        Some(self.want_thread())
    }

    /// Withdraws one slot, if there is one left that is not lent (I5). Only the lane's watch may call this.
    pub(crate) fn withdraw_slot(&self) {
        let withdrawn = self.withdrawn.load(Ordering::Relaxed);
        if withdrawn < self.slots {
            self.withdrawn.store(withdrawn + 1, Ordering::Relaxed);
            self.limit.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Restores a slot if one was withdrawn (I5). Only the lane's watch may call this.
    pub(crate) fn restore_slot(&self) -> Wanted {
        let Some(withdrawn) = self.withdrawn.load(Ordering::Relaxed).checked_sub(1) else {
            return Wanted::Nothing;
        };
        self.withdrawn.store(withdrawn, Ordering::Relaxed);
        self.limit.fetch_add(1, Ordering::SeqCst);
        self.want_thread()
    }

    /// How many slots the lane can have more for a while: as many again, if there are threads for them.
    pub(crate) fn room(&self) -> usize {
        self.slots.min(self.seats.len() - self.slots)
    }

    /// Adds one slot to those that the lane has.
    pub(crate) fn add_slot(&self) -> Wanted {
        self.limit.fetch_add(1, Ordering::SeqCst);
        self.want_thread()
    }

    /// Takes one slot away again that was added. Who holds one too many gives it back after his work (I4).
    pub(crate) fn remove_slot(&self) {
        self.limit.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many slots are withdrawn now (I5).
    pub(crate) fn withdrawn(&self) -> usize {
        self.withdrawn.load(Ordering::Relaxed)
    }

    /// When what thread `index` has at hand began; `None` if it has nothing.
    pub(crate) fn began(&self, index: usize) -> Option<u64> {
        self.tenures[index].began()
    }

    /// Whether what thread `index` has at hand is marked as overdue.
    pub(crate) fn is_overdue(&self, index: usize) -> bool {
        self.tenures[index].is_overdue()
    }

    /// Whether thread `index` still has at hand what began then, marked as overdue.
    pub(crate) fn is_overdue_since(&self, index: usize, began: u64) -> bool {
        self.tenures[index].is_overdue_since(began)
    }

    /// All that thread `index` does in its life.
    pub(crate) fn serve(&self, index: usize, attendant: &impl Attendant<S::Taken, R>) {
        let seat = &self.seats[index];
        let mut holds = Holds::Nothing;
        let mut turn = Turn::Resumed;
        let mut looked = false;
        while !attendant.is_over() {
            self.work_off(index, &mut holds, &mut turn, &mut looked, attendant);
            if attendant.lingers() {
                self.give_back(&mut holds);
                looked = self.look(seat, attendant);
                if looked && seat.is_notified() {
                    // The resident comes first, and a job that came meanwhile shall not wait for it.
                    self.unpark(self.want_thread(), attendant);
                }
                if looked {
                    continue;
                }
            }
            attendant.will_lie_down();
            if !seat.lie_down() {
                continue; // The resident was woken since it was polled.
            }
            self.give_back(&mut holds);
            fence(Ordering::SeqCst); // I3
            if !self.is_empty() && self.take_slot() {
                holds = Holds::Slot;
            } else {
                while seat.is_parked() && !attendant.is_over() {
                    attendant.park();
                }
            }
            let called = seat.get_up();
            if called.with_slot && holds == Holds::Slot {
                self.give_up_slot(attendant);
            } else if called.with_slot {
                holds = Holds::Slot;
            }
            if called.for_errand && attendant.run_errands() {
                // It is rarely for one thread alone.
                self.unpark(self.send_on_errand(index + 1), attendant);
            }
        }
    }

    /// Calls the next free parked thread, counted from `from`, to run what rayon has for it.
    pub(crate) fn send_on_errand(&self, from: usize) -> Wanted {
        let from = from % self.seats.len();
        let next = (from..self.seats.len())
            .chain(0..from)
            .find(|index| self.seats[*index].call_for_errand());
        next.map_or(Wanted::Nothing, Wanted::Thread)
    }

    /// Says whether something that has begun on thread `index` waits, or may keep it while it is parked. For the thread itself.
    pub(crate) fn set_engaged(&self, index: usize, engaged: bool) {
        self.seats[index].set_engaged(engaged);
    }

    /// Whether thread `index` said so.
    pub(crate) fn is_engaged(&self, index: usize) -> bool {
        self.seats[index].is_engaged()
    }

    /// Whether thread `index` was called to take jobs and has not come.
    pub(crate) fn is_awaited(&self, index: usize) -> bool {
        self.seats[index].is_awaited()
    }

    /// Calls another thread in place of thread `index`, if that has not come (I6).
    pub(crate) fn call_in_place_of(&self, index: usize) -> Wanted {
        if !self.seats[index].take_back_slot() {
            return Wanted::Nothing;
        }
        self.release_slot();
        self.want_thread()
    }

    /// How many threads run jobs or poll their resident now.
    pub(crate) fn busy(&self) -> usize {
        let tenures = self.tenures.iter();
        tenures.filter(|tenure| tenure.is_at_work()).count()
    }

    /// Whether a piece of work is under way on any thread, or a thread was called for one.
    pub(crate) fn is_at_work(&self) -> bool {
        self.tenures.iter().any(Tenure::is_at_work) || self.seats.iter().any(Seat::is_awaited)
    }

    /// How many slots are held now.
    pub(crate) fn slots_taken(&self) -> usize {
        self.slots_taken.load(Ordering::Relaxed)
    }

    pub(crate) fn threads(&self) -> usize {
        self.seats.len()
    }

    /// Runs jobs and polls the resident by turns until neither has anything left, or no slot for a job is to be had.
    fn work_off(
        &self,
        index: usize,
        holds: &mut Holds,
        turn: &mut Turn,
        looked: &mut bool,
        attendant: &impl Attendant<S::Taken, R>,
    ) {
        let seat = &self.seats[index];
        loop {
            let polled = seat.take_notice();
            if polled {
                self.work(index, *holds, attendant, || attendant.poll_resident());
            }
            if *holds == Holds::Nothing && !self.is_empty() && self.take_slot() {
                *holds = Holds::Slot;
            }
            let job = match holds {
                Holds::Slot => self.take(turn),
                Holds::Nothing => None,
            };
            if let Some(job) = job {
                if std::mem::take(looked) {
                    self.unpark(self.want_thread(), attendant); // I7
                }
                self.work(index, *holds, attendant, || match job {
                    Job::Fresh(job) => attendant.begin(job),
                    Job::Resumed(task) => attendant.go_on(task),
                });
                if self.gave_back_surplus() {
                    *holds = Holds::Nothing;
                }
            } else if !polled {
                return;
            }
        }
    }

    /// Looks for something to do for a moment (I7). True if there is something.
    fn look(&self, seat: &Seat, attendant: &impl Attendant<S::Taken, R>) -> bool {
        self.lookers.fetch_add(1, Ordering::SeqCst);
        let mut found = false;
        while !found && attendant.looks_on() {
            found = !self.is_empty() || seat.is_notified();
        }
        self.lookers.fetch_sub(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        found || !self.is_empty()
    }

    /// One piece of work, under the eyes of the watch.
    fn work(
        &self,
        index: usize,
        holds: Holds,
        attendant: &impl Attendant<S::Taken, R>,
        work: impl FnOnce(),
    ) {
        let tenure = &self.tenures[index];
        tenure.begin(attendant.now(), holds);
        attendant.work_began();
        work();
        // What comes up in a breath may compute as well, and then its slot is lent like any other's.
        attendant.breathe();
        let fate = tenure.end();
        if fate.lent {
            self.limit.fetch_sub(1, Ordering::SeqCst); // I4
        }
        if fate.overdue {
            attendant.recover();
        }
    }

    /// Takes the next job, new ones and resumed ones by turns so that neither kind starves the other.
    fn take(&self, turn: &mut Turn) -> Option<Job<S::Taken, R>> {
        let this_turn = std::mem::replace(turn, turn.other());
        let fresh = || self.take_fresh().map(Job::Fresh);
        let resumed = || self.resumed.pop().map(Job::Resumed);
        match this_turn {
            Turn::Fresh => fresh().or_else(resumed),
            Turn::Resumed => resumed().or_else(fresh),
        }
    }

    /// Looks for a job, a slot and a thread, and calls the thread if all are there (I3).
    fn want_thread(&self) -> Wanted {
        loop {
            fence(Ordering::SeqCst);
            if self.is_empty() || self.lookers.load(Ordering::SeqCst) > 0 || !self.take_slot() {
                return Wanted::Nothing;
            }
            if let Some(index) = self.call_with_slot() {
                return Wanted::Thread(index);
            }
            self.release_slot();
            fence(Ordering::SeqCst);
            if !self.seats.iter().any(Seat::is_parked) {
                return Wanted::Nothing;
            }
        }
    }

    fn call_with_slot(&self) -> Option<usize> {
        [Willing::Free, Willing::Any]
            .into_iter()
            .find_map(|willing| {
                self.seats
                    .iter()
                    .position(|seat| seat.call_with_slot(willing))
            })
    }

    /// Gives back a slot that the calling thread does not need.
    fn give_up_slot(&self, attendant: &impl Attendant<S::Taken, R>) {
        self.release_slot();
        self.unpark(self.want_thread(), attendant);
    }

    fn unpark(&self, wanted: Wanted, attendant: &impl Attendant<S::Taken, R>) {
        if let Wanted::Thread(index) = wanted {
            attendant.unpark(index);
        }
    }

    fn take_slot(&self) -> bool {
        self.slots_taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken < self.limit.load(Ordering::SeqCst)).then_some(taken + 1)
            })
            .is_ok()
    }

    fn give_back(&self, holds: &mut Holds) {
        if std::mem::replace(holds, Holds::Nothing) == Holds::Slot {
            self.release_slot();
        }
    }

    fn release_slot(&self) {
        self.slots_taken.fetch_sub(1, Ordering::SeqCst);
    }

    /// Gives the caller's slot back if more are held than there are, because a loan has ended (I4).
    fn gave_back_surplus(&self) -> bool {
        self.slots_taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken > self.limit.load(Ordering::SeqCst)).then(|| taken - 1)
            })
            .is_ok()
    }

    fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) <= 0 && self.resumed.is_empty()
    }

    /// Makes room in the inbox though every lane thread is at work. Never waits.
    fn relieve(&self) {
        let Ok(mut shelf) = self.shelf.try_lock() else {
            return; // Whoever has it is about to empty the inbox.
        };
        self.unload(&mut shelf, RELIEF);
        let swept = shelf.sweep();
        self.uncount(swept);
    }

    /// Moves at most so many jobs from the inbox onto the shelf.
    fn unload(&self, shelf: &mut MutexGuard<'_, S>, most: usize) {
        let mut tombstones = 0;
        for _ in 0..most {
            let Some(job) = self.inbox.pop() else { break };
            tombstones += usize::from(!shelf.put(job));
        }
        self.uncount(tombstones);
    }

    fn uncount(&self, gone: usize) {
        if gone > 0 {
            self.waiting.fetch_sub(gone as isize, Ordering::SeqCst);
        }
    }
}

impl<J, R, S> fmt::Debug for Gate<J, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("slots_taken", &self.slots_taken.load(Ordering::Relaxed))
            .field("seats", &self.seats)
            .finish_non_exhaustive()
    }
}

/// What a thread takes from the queue.
enum Job<T, R> {
    /// A job that has not begun.
    Fresh(T),
    /// A task that goes on.
    Resumed(R),
}

/// Which kind of job comes first next time.
#[derive(Clone, Copy)]
enum Turn {
    Fresh,
    Resumed,
}

impl Turn {
    fn other(self) -> Self {
        match self {
            Self::Fresh => Self::Resumed,
            Self::Resumed => Self::Fresh,
        }
    }
}
