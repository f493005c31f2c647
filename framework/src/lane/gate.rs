//! The protocol between those who submit, cancel and wake, and the lane's threads: no job waits while a thread is idle.
//!
//! Jobs wait here, in front of rayon, and rayon only gets *runners*: rayon jobs that take jobs from here until none is
//! left. This module is the part of the lane that knows neither rayon nor futures, so that loom can run all of it.
//!
//! There are two ways for a lane thread to come here, both through rayon. A **runner** is one `ThreadPool::spawn` and
//! may arrive on any thread. A **visit** is one `spawn_broadcast`, which arrives on every thread. An arrival on a thread
//! that is not yet here is that thread's *outer frame*; one on top of an outer frame, because a job waits inside
//! `rayon::join`, is *nested*.
//!
//! # Invariants
//!
//! * **I1** Whoever takes jobs holds a slot. A runner holds one from before `ThreadPool::spawn` until it arrives nested or
//!   stops to take jobs; a visit tries to get one when it finds jobs. Never more slots are held than `limit` says, except
//!   for the moment between the end of a loan (I6) and the borrower's next job. There are never more slots than threads,
//!   so rayon never holds more runners than the lane has threads.
//! * **I2** Jobs are run and residents are polled only in an outer frame, which exists at most once a thread (`BUSY`,
//!   written only by the thread itself). So at most one job a thread is in progress, and a resident is never polled
//!   inside a job, inside a poll, or twice.
//! * **I3** Who puts a job in the queue looks for a free slot *afterwards*; who gives a slot back looks into the queue
//!   *afterwards* and takes a slot again if there is a job; a `SeqCst` fence separates the two steps on both sides. So of
//!   two such parties at least one sees the other: the job gets a new runner, or the slot's last holder finds it.
//! * **I4** A thread clears `BUSY` only while `NOTIFIED` is clear, in one step, and looks into the queue afterwards, with
//!   a fence between. A wake-up sets `NOTIFIED`, and in the same step `CALLED` if the thread is not busy; who sets
//!   `CALLED` sends a visit. So `NOTIFIED` implies that the thread is in its outer frame and will look, or that a
//!   visit is on its way.
//! * **I5** A nested runner gives its slot back and, if the queue is not empty, calls every thread that is not busy. A
//!   thread seen busy will look into the queue after clearing `BUSY` (I4); one seen called will look when the visit
//!   arrives; the others get a visit now. Each of them tries to get the slot that is free now; if it gets none, others
//!   hold all of them and will look when they give theirs back (I3).
//! * **I6** A slot whose job outlives its class is lent, as soon as a thread is left for it: the lane's watch raises `limit`
//!   by one and then looks for jobs, as after a push. The job's end lowers `limit` again; who then holds a slot too many gives it back after its job. At
//!   least one slot is always there to be held, but for I7, so somebody is left who looks.
//! * **I7** The watch may withdraw slots for a while: it lowers `limit`, and who then holds a slot too many gives it back
//!   after its job. When it restores one it raises `limit` and then looks for jobs, as after a push. While all are
//!   withdrawn it is the watch that looks: it neither sleeps nor ends before it has restored them.
//!
//! # Why no job is stuck while a slot is free
//!
//! Take a job that is in the queue. If its submitter got a slot, a runner is in rayon, and rayon runs it as soon as any
//! thread has nothing else to do: it then arrives outer and serves the queue, or nested and calls the idle threads (I5).
//! If the submitter got no slot, each slot was held, and each holder's end looks into the queue (I3) or calls the idle
//! threads (I5). A thread that leaves looks into the queue last of all (I4), so no slot stays free past a job that was
//! there before. Where there are as many slots as threads, that means: no job waits while a thread is idle.
//!
//! # The queue
//!
//! New jobs come in through a lock-free inbox, because those who submit are event loops. Lane threads move them onto the
//! *shelf*, which has the order, behind a mutex; a submitter touches the shelf only with `try_lock` and only when the
//! inbox is full of what nobody has fetched. `waiting` counts both, and is raised *after* the push: a job that is
//! there but not counted belongs to a submitter that has still to look for a slot (I3), so nobody needs to see it yet.
//!
//! # What it costs
//!
//! A submission costs rayon one `spawn`, and only while a slot is free. A wake-up of an idle thread's resident costs a
//! broadcast: rayon has no other way to reach one particular thread. That wakes the lane's other idle threads for
//! nothing and leaves a few words on the deques of those at work, which is why a thread lets its visits through after
//! each job (`Attendant::breathe`). Rayon takes short locks of its own in both, the ones around its sleeping.
//!
//! # What this cannot see
//!
//! A thread that helps another thread's job, because rayon let it steal one half of a `join`, is in no outer frame. If
//! it has to wait inside that half, rayon may start a runner on it, and that is then an outer frame on top of foreign
//! work: the helped job waits for it. Rayon tells nobody when it steals. Nothing is polled twice or lost by this.

use std::{fmt, sync::PoisonError};

use super::{
    seat::Seat,
    tenure::{Holds, Tenure},
};
use crate::sync::{
    AtomicIsize, AtomicUsize, Bounded, Mutex, MutexGuard, Ordering, Unbounded, fence,
};

/// How a lane thread came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// As a runner, which holds a slot (I1).
    Runner,
    /// By a broadcast, for work that this very thread may have.
    Visit,
}

/// What a caller has to do after it changed the gate's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wanted {
    /// Nothing: somebody will look.
    Nothing,
    /// Hand rayon one runner; its slot has been taken.
    Runner,
    /// Broadcast one visit.
    Visit,
}

/// What a lane thread does in its outer frame. None of it may unwind.
pub(crate) trait Attendant<J, R> {
    /// Runs one job that has not begun, or sees that it has been removed.
    fn begin(&self, job: J);
    /// Polls one task that has begun.
    fn go_on(&self, task: R);
    /// Polls the thread's resident once.
    fn poll_resident(&self);
    /// Lets rayon's own work through, between two pieces of the lane's work.
    fn breathe(&self, after: Breath);
    /// Nanoseconds on the lane's own clock.
    fn now(&self) -> u64;
    /// A piece of work is about to be done; the watch may have to be told.
    fn work_began(&self);
    /// The work at hand was found overdue, and has now ended.
    fn recover(&self);
}

/// The order of the jobs that have not begun. None of it may run foreign code.
pub(crate) trait Shelf<J> {
    /// Takes a job in. False if it was a tombstone and is dropped.
    fn put(&mut self, job: J) -> bool;
    /// The next job.
    fn take(&mut self) -> Option<J>;
    /// Takes the jobs that may not wait until `now` out into `late`, and drops the tombstones. Returns how many both were.
    fn take_late(&mut self, now: u64, late: &mut Vec<J>) -> usize;
    /// Drops the tombstones if they are too many. Returns how many it dropped.
    fn sweep(&mut self) -> usize;
}

/// What was done before a breath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breath {
    /// A job was taken.
    Job,
    /// The resident was polled and no job was there.
    PollOnly,
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
    /// How many slots there are: those of the lane, with those lent (I6) and without those withdrawn (I7).
    limit: AtomicUsize,
    /// How many slots there are but for loans and withdrawals.
    slots: usize,
    /// How many are withdrawn (I7). Written by the watch only.
    withdrawn: AtomicUsize,
    seats: Box<[Seat]>,
    tenures: Box<[Tenure]>,
}

impl<J, R, S: Shelf<J>> Gate<J, R, S> {
    /// A gate for as many threads as there are seats, of which `slots` run jobs at a time, with room for `capacity` jobs
    /// and tombstones in the inbox.
    pub(crate) fn new(capacity: usize, slots: usize, seats: Box<[Seat]>, shelf: S) -> Self {
        debug_assert!((1..=seats.len()).contains(&slots));
        Self {
            inbox: Bounded::new(capacity),
            shelf: Mutex::new(shelf),
            waiting: AtomicIsize::new(0),
            resumed: Unbounded::new(),
            slots_taken: AtomicUsize::new(0),
            limit: AtomicUsize::new(slots),
            slots,
            withdrawn: AtomicUsize::new(0),
            tenures: seats.iter().map(|_| Tenure::default()).collect(),
            seats,
        }
    }

    /// Puts a job that has not begun into the queue, or gives it back if there is no room even for a tombstone.
    pub(crate) fn push(&self, job: J) -> Result<Wanted, J> {
        if let Err(job) = self.inbox.push(job) {
            self.relieve();
            self.inbox.push(job)?;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Ok(self.want_runner())
    }

    /// Puts a task that goes on into the queue.
    pub(crate) fn resume(&self, task: R) -> Wanted {
        self.resumed.push(task);
        self.want_runner()
    }

    /// Takes one job that has not begun, or a tombstone.
    pub(crate) fn take_fresh(&self) -> Option<J> {
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
            Wanted::Visit
        } else {
            Wanted::Nothing
        }
    }

    /// Takes the wish that the resident of thread `index` be polled. For the thread itself, in its outer frame.
    pub(crate) fn take_notice(&self, index: usize) -> bool {
        self.seats[index].take_notice()
    }

    /// Marks what thread `index` has at hand as overdue if it began at `latest` or before, and lends its slot if a thread
    /// is left for it (I6). `None` if there was nothing to mark. Only one thread at a time may call this.
    pub(crate) fn mark_overdue(&self, index: usize, latest: u64) -> Option<Wanted> {
        // Slots that are withdrawn come back, and then there must still be a thread for each.
        let all = self.limit.load(Ordering::SeqCst) + self.withdrawn();
        let spare = all < self.seats.len();
        let lent = self.tenures[index].mark_overdue(latest, spare)?;
        if !lent {
            return Some(Wanted::Nothing);
        }
        self.limit.fetch_add(1, Ordering::SeqCst); // I6
        fence(Ordering::SeqCst);
        Some(if self.is_empty() {
            Wanted::Nothing
        } else {
            self.want_runner()
        })
    }

    /// Withdraws one slot, if there is one left that is not lent (I7). Only the lane's watch may call this.
    pub(crate) fn withdraw_slot(&self) {
        let withdrawn = self.withdrawn.load(Ordering::Relaxed);
        if withdrawn < self.slots {
            self.withdrawn.store(withdrawn + 1, Ordering::Relaxed);
            self.limit.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Restores a slot if one was withdrawn (I7). Only the lane's watch may call this.
    pub(crate) fn restore_slot(&self) -> Wanted {
        let Some(withdrawn) = self.withdrawn.load(Ordering::Relaxed).checked_sub(1) else {
            return Wanted::Nothing;
        };
        self.withdrawn.store(withdrawn, Ordering::Relaxed);
        self.limit.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst); // I3
        if self.is_empty() {
            Wanted::Nothing
        } else {
            self.want_runner()
        }
    }

    /// How many slots are withdrawn now (I7).
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

    /// All that thread `index` does when it arrives. What it returns has to be done for it.
    pub(crate) fn attend(
        &self,
        index: usize,
        arrival: Arrival,
        attendant: &impl Attendant<J, R>,
    ) -> Wanted {
        let seat = &self.seats[index];
        let outer = match arrival {
            Arrival::Runner => seat.sit(),
            Arrival::Visit => seat.sit_for_visit(),
        };
        if !outer {
            return match arrival {
                Arrival::Runner => self.hand_back(), // I5
                Arrival::Visit => Wanted::Nothing,   // I4: the outer frame looks when it goes on.
            };
        }
        let mut holds = match arrival {
            Arrival::Runner => Holds::Slot,
            Arrival::Visit => Holds::Nothing,
        };
        loop {
            self.serve(index, &mut holds, attendant);
            if !seat.rise() {
                continue; // I4: the resident was woken since it was served.
            }
            if std::mem::replace(&mut holds, Holds::Nothing) == Holds::Slot {
                self.release_slot(); // I1
            }
            fence(Ordering::SeqCst); // I3, I4
            if self.is_empty() || !self.take_slot() {
                return Wanted::Nothing;
            }
            holds = Holds::Slot;
            seat.sit();
        }
    }

    /// How many threads run jobs or poll their resident now.
    pub(crate) fn busy(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_busy()).count()
    }

    /// Whether a piece of work is under way on any thread.
    pub(crate) fn is_at_work(&self) -> bool {
        self.tenures.iter().any(Tenure::is_at_work)
    }

    /// How many slots are held now.
    pub(crate) fn runners(&self) -> usize {
        self.slots_taken.load(Ordering::Relaxed)
    }

    pub(crate) fn threads(&self) -> usize {
        self.seats.len()
    }

    /// Runs jobs and polls the resident by turns until neither has anything left, or no slot for a job is to be had.
    fn serve(&self, index: usize, holds: &mut Holds, attendant: &impl Attendant<J, R>) {
        let seat = &self.seats[index];
        let mut turn = Turn::Resumed;
        loop {
            let polled = seat.take_notice();
            if polled {
                self.work(index, *holds, attendant, || attendant.poll_resident());
            }
            if *holds == Holds::Nothing && !self.is_empty() && self.take_slot() {
                *holds = Holds::Slot;
            }
            let job = match holds {
                Holds::Slot => self.take(&mut turn),
                Holds::Nothing => None,
            };
            if let Some(job) = job {
                self.work(index, *holds, attendant, || match job {
                    Job::Fresh(job) => attendant.begin(job),
                    Job::Resumed(task) => attendant.go_on(task),
                });
                if self.gave_back_surplus() {
                    *holds = Holds::Nothing;
                }
                attendant.breathe(Breath::Job);
            } else if polled {
                attendant.breathe(Breath::PollOnly);
            } else {
                return;
            }
        }
    }

    /// One piece of work, under the eyes of the watch.
    fn work(
        &self,
        index: usize,
        holds: Holds,
        attendant: &impl Attendant<J, R>,
        work: impl FnOnce(),
    ) {
        let tenure = &self.tenures[index];
        tenure.begin(attendant.now(), holds);
        attendant.work_began();
        work();
        let fate = tenure.end();
        if fate.lent {
            self.limit.fetch_sub(1, Ordering::SeqCst); // I6
        }
        if fate.overdue {
            attendant.recover();
        }
    }

    /// Takes the next job, new ones and resumed ones by turns so that neither kind starves the other.
    fn take(&self, turn: &mut Turn) -> Option<Job<J, R>> {
        let this_turn = std::mem::replace(turn, turn.other());
        let fresh = || self.take_fresh().map(Job::Fresh);
        let resumed = || self.resumed.pop().map(Job::Resumed);
        match this_turn {
            Turn::Fresh => fresh().or_else(resumed),
            Turn::Resumed => resumed().or_else(fresh),
        }
    }

    fn hand_back(&self) -> Wanted {
        self.release_slot();
        fence(Ordering::SeqCst); // I3
        if self.is_empty() {
            return Wanted::Nothing;
        }
        fence(Ordering::SeqCst); // I5: what was read of the queue is older than what is read of the seats.
        let mut called = false;
        for seat in &self.seats {
            called |= seat.call_if_idle();
        }
        if called {
            Wanted::Visit
        } else {
            Wanted::Nothing
        }
    }

    fn want_runner(&self) -> Wanted {
        fence(Ordering::SeqCst); // I3
        if self.take_slot() {
            Wanted::Runner
        } else {
            Wanted::Nothing
        }
    }

    fn take_slot(&self) -> bool {
        self.slots_taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken < self.limit.load(Ordering::SeqCst)).then_some(taken + 1)
            })
            .is_ok()
    }

    fn release_slot(&self) {
        self.slots_taken.fetch_sub(1, Ordering::SeqCst);
    }

    /// Gives the caller's slot back if more are held than there are, because a loan has ended (I6).
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
            .field("runners", &self.slots_taken.load(Ordering::Relaxed))
            .field("seats", &self.seats)
            .finish_non_exhaustive()
    }
}

/// What a thread takes from the queue.
enum Job<J, R> {
    /// A job that has not begun.
    Fresh(J),
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
