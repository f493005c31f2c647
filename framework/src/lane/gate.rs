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
//! * **I1** A runner holds one slot from before `ThreadPool::spawn` until it arrives nested or its outer frame ends.
//!   There are as many slots as threads, so rayon never holds more runners than the lane has threads.
//! * **I2** Jobs are run and residents are polled only in an outer frame, which exists at most once a thread (`BUSY`,
//!   written only by the thread itself). So at most one job a thread is in progress, and a resident is never polled
//!   inside a job, inside a poll, or twice.
//! * **I3** Who puts a job in the queue looks for a free slot *afterwards*; who gives a slot back looks into the queue
//!   *afterwards*; a `SeqCst` fence separates the two steps on both sides. So of two such parties at least one sees the
//!   other: the job gets a new runner, or the slot's last holder finds it.
//! * **I4** A thread clears `BUSY` only while `NOTIFIED` is clear, in one step, and looks into the queue afterwards, with
//!   a fence between. A wake-up sets `NOTIFIED`, and in the same step `CALLED` if the thread is not busy; who sets
//!   `CALLED` sends a visit. So `NOTIFIED` implies that the thread is in its outer frame and will look, or that a
//!   visit is on its way.
//! * **I5** A nested runner gives its slot back and, if the queue is not empty, calls every thread that is not busy. A
//!   thread seen busy will look into the queue after clearing `BUSY` (I4); one seen called will look when the visit
//!   arrives; the others get a visit now. A visit needs no slot: it takes jobs if there are any.
//!
//! # Why no job is stuck while a thread is idle
//!
//! Take a job that is in the queue. If its submitter got a slot, a runner is in rayon, and rayon runs it as soon as any
//! thread has nothing else to do: it then arrives outer and serves the queue, or nested and calls the idle threads (I5).
//! If the submitter got no slot, each slot was held by a runner, and each holder's end looks into the queue (I3) or calls
//! the idle threads (I5). A thread that leaves looks into the queue last of all (I4), so it never goes idle past a job
//! that was there before.
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

use std::fmt;

use super::seat::Seat;
use crate::sync::{AtomicUsize, Bounded, Ordering, Unbounded, fence};

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
pub(crate) trait Attendant<J> {
    /// Runs one job, or sees that it has been removed.
    fn run(&self, job: J);
    /// Polls the thread's resident once.
    fn poll_resident(&self);
    /// Lets rayon's own work through, between two pieces of the lane's work.
    fn breathe(&self, after: Breath);
}

/// What was done before a breath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breath {
    /// A job was taken.
    Job,
    /// The resident was polled and no job was there.
    PollOnly,
}

/// The queue, the slots and the seats of one lane.
pub(crate) struct Gate<J> {
    /// Jobs that have not begun, oldest first, and the tombstones of removed ones.
    fresh: Bounded<J>,
    /// Tasks that have begun and were woken. They are not bounded: each was admitted once, and a wake-up can't be refused.
    resumed: Unbounded<J>,
    slots_taken: AtomicUsize,
    seats: Box<[Seat]>,
}

impl<J> Gate<J> {
    /// A gate for as many threads as there are seats, with room for `capacity` jobs and tombstones.
    pub(crate) fn new(capacity: usize, seats: Box<[Seat]>) -> Self {
        Self {
            fresh: Bounded::new(capacity),
            resumed: Unbounded::new(),
            slots_taken: AtomicUsize::new(0),
            seats,
        }
    }

    /// Puts a job that has not begun into the queue, or gives it back if there is no room even for a tombstone.
    pub(crate) fn push(&self, job: J) -> Result<Wanted, J> {
        self.fresh.push(job)?;
        Ok(self.want_runner())
    }

    /// Puts a task that goes on into the queue.
    pub(crate) fn resume(&self, job: J) -> Wanted {
        self.resumed.push(job);
        self.want_runner()
    }

    /// Takes one job that has not begun, or a tombstone, for a lane that is being shut down.
    pub(crate) fn take_fresh(&self) -> Option<J> {
        self.fresh.pop()
    }

    /// Records that the resident of thread `index` wants to be polled.
    pub(crate) fn notify(&self, index: usize) -> Wanted {
        if self.seats[index].notify() {
            Wanted::Visit
        } else {
            Wanted::Nothing
        }
    }

    /// All that thread `index` does when it arrives. A visit that it returns has to be broadcast.
    pub(crate) fn attend(
        &self,
        index: usize,
        arrival: Arrival,
        attendant: &impl Attendant<J>,
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
        let mut holds_slot = arrival == Arrival::Runner;
        loop {
            self.serve(seat, attendant);
            if !seat.rise() {
                continue; // I4: the resident was woken since it was served.
            }
            if std::mem::take(&mut holds_slot) {
                self.release_slot(); // I1
            }
            fence(Ordering::SeqCst); // I3, I4
            if self.is_empty() || !seat.sit() {
                return Wanted::Nothing;
            }
        }
    }

    /// How many threads run jobs or poll their resident now.
    pub(crate) fn busy(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_busy()).count()
    }

    /// How many runners rayon holds now.
    pub(crate) fn runners(&self) -> usize {
        self.slots_taken.load(Ordering::Relaxed)
    }

    pub(crate) fn threads(&self) -> usize {
        self.seats.len()
    }

    /// Runs jobs and polls the resident by turns until neither has anything left.
    fn serve(&self, seat: &Seat, attendant: &impl Attendant<J>) {
        let mut turn = Turn::Resumed;
        loop {
            let polled = seat.take_notice();
            if polled {
                attendant.poll_resident();
            }
            if let Some(job) = self.take(&mut turn) {
                attendant.run(job);
                attendant.breathe(Breath::Job);
            } else if polled {
                attendant.breathe(Breath::PollOnly);
            } else {
                return;
            }
        }
    }

    /// Takes the next job, new ones and resumed ones by turns so that neither kind starves the other.
    fn take(&self, turn: &mut Turn) -> Option<J> {
        let this_turn = std::mem::replace(turn, turn.other());
        match this_turn {
            Turn::Fresh => self.fresh.pop().or_else(|| self.resumed.pop()),
            Turn::Resumed => self.resumed.pop().or_else(|| self.fresh.pop()),
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
        let limit = self.seats.len();
        let taken = self
            .slots_taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken < limit).then_some(taken + 1)
            });
        if taken.is_ok() {
            Wanted::Runner
        } else {
            Wanted::Nothing
        }
    }

    fn release_slot(&self) {
        self.slots_taken.fetch_sub(1, Ordering::SeqCst);
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.resumed.is_empty()
    }
}

impl<J> fmt::Debug for Gate<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("runners", &self.runners())
            .field("seats", &self.seats)
            .finish_non_exhaustive()
    }
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
