//! What each thread of a lane's pool does for its whole life: a lane thread serves the gate, a helper is rayon's.

use std::{
    cell::Cell,
    hint,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_task::Runnable;
use rayon::Yield;

use super::{
    account::Entry, bill::Bill, cancel::CancelToken, entry::Carried, gate::Attendant,
    resident::Place, shared::Shared,
};
use crate::{admission::Flow, clock::Reading, os, queue::Receipt};

/// How many of rayon's jobs a thread runs between two of the lane's, so that they don't starve it.
const RAYON_JOBS_A_BREATH: usize = 32;

/// A thread that slept for less, in nanoseconds, waits for the next job awake: to be woken costs more.
const BRISK: u64 = 60_000;
/// And for so long, in nanoseconds.
const LINGER: u64 = 15_000;

/// Makes the calling thread serve its lane until that ends. Returns at once on a helper.
pub(super) fn serve(shared: &Shared) {
    let Some(place) = Place::on_this_thread() else {
        return;
    };
    if place.is_lane_thread() {
        let attendant = LaneThread {
            shared,
            place: &place,
            ran: Cell::new(false),
            is_brisk: Cell::new(false),
            look_until: Cell::new(0),
        };
        shared.gate.serve(place.index(), &attendant);
    }
}

/// One of the lane's threads, at work in the gate.
struct LaneThread<'a> {
    shared: &'a Shared,
    place: &'a Place,
    /// Whether it has run a job since it last asked whether to look for another.
    ran: Cell<bool>,
    /// Whether the next job comes so soon that it is worth while to wait for it.
    is_brisk: Cell<bool>,
    /// Until when it looks.
    look_until: Cell<u64>,
}

impl LaneThread<'_> {
    /// Runs a job, if there is still something to run here. Returns what that has cost.
    fn run(&self, entry: &Arc<Entry>) -> Option<Duration> {
        let account = entry.account();
        let now = self.shared.now();
        if now < self.look_until.take() {
            self.is_brisk.set(true); // It was worth while.
        }
        let waited_until = self.shared.waiting_now();
        if waited_until > account.latest() {
            self.shared.expire(entry);
            return None;
        }
        if self.carried_away(entry) {
            return None;
        }
        let unknown = match account.unknown_of() {
            Some(flow) if self.let_in(entry, flow) => Some(Unknown(self)),
            Some(_) => return None,
            None => None,
        };
        // `None`: a tombstone.
        let job = entry.begin()?;
        if let Some(flow) = account.unknown_of() {
            self.shared.threads[self.place.index()].unknown.begin(flow);
            self.shared.watch.hurry();
        }
        let key = &self.shared.threads[self.place.index()].key;
        key.store(account.key(), Ordering::Relaxed);
        let token = CancelToken::of(entry);
        let mark = self.place.clock().start();
        self.shared
            .surround("a job", || token.scope(|| job.perform()));
        // A job may have given its work to the thread's resident. The first part of that belongs to the job's turn.
        if self.shared.gate.take_notice(self.place.index()) {
            self.place.poll_resident();
        }
        let measured = self.place.clock().stop(mark);
        let ended = self.shared.waiting_now();
        // Where nobody ran for a while it says nothing of what jobs take.
        let nanos = ended.saturating_sub(waited_until);
        if let Some(on_cpu) = measured.on_cpu()
            && self.is_of_this_lane(on_cpu)
            && measured.wall < 2 * Duration::from_nanos(nanos)
        {
            self.shared.book().took(measured.wall, on_cpu);
        }
        let cost = match measured.reading {
            Reading::Cost(cost) => cost,
            // It may have waited before it began. What a busy machine adds to the wall time does not make a job a long one.
            Reading::Suspect { at_least, at_most } if at_least >= at_most / 2 => at_least,
            Reading::Suspect { at_most, .. } => at_most,
        };
        drop(unknown);
        key.store(0, Ordering::Relaxed);
        account.ended(ended);
        self.ran.set(true);
        Some(cost)
    }

    /// Whether a job that cost so much belongs here. Else its thread was set back, perhaps, and what it took says nothing of others.
    fn is_of_this_lane(&self, cost: Duration) -> bool {
        let longer = self.shared.longer.get();
        longer.is_none_or(|longer| cost <= longer.limit * 2)
    }

    /// Carries a job to the lane for longer ones if it was learned in the meantime that it belongs there. True if there
    /// is nothing left to run here.
    fn carried_away(&self, entry: &Arc<Entry>) -> bool {
        let (Some(longer), account) = (self.shared.longer.get(), entry.account()) else {
            return false;
        };
        let remembered = match account.key() {
            0 => None,
            key => self.shared.memo.predict(key),
        };
        // Another one of them may have shown by now what they cost.
        let of_unknown = || account.unknown_of().and_then(|flow| flow.at_least());
        match remembered.or_else(of_unknown) {
            Some(cost) if cost > longer.limit => self.carry(entry, cost),
            _ => false,
        }
    }

    /// Whether a job of which nothing is known may run here. Else it goes to where nobody minds if it is long.
    fn let_in(&self, entry: &Arc<Entry>, flow: &Flow) -> bool {
        // One of its kind that computes is enough to find out.
        if !flow.computes() && self.shared.let_in_unknown() {
            return true;
        }
        let carried = self.carry(entry, Duration::from_nanos(entry.account().cost()));
        // Where there is nowhere to go it runs all the same.
        if !carried {
            self.shared.unknown.fetch_add(1, Ordering::Relaxed);
        }
        !carried
    }

    /// Carries a job to the lane for longer ones, if there is one.
    fn carry(&self, entry: &Arc<Entry>, cost: Duration) -> bool {
        let longer = self.shared.longer.get();
        let Some(lane) = longer.and_then(|longer| longer.lane.upgrade()) else {
            return false;
        };
        match entry.carry(|account| {
            let (here, there) = (self.shared.waiting_now(), lane.waiting_now());
            account.move_to(lane.index, cost, here, there);
        }) {
            Carried::Whole => {
                lane.enqueue(entry);
            }
            Carried::Doomed(work) => drop(work),
            Carried::Nothing => {}
        }
        true
    }
}

/// A job at work of which nothing is known.
struct Unknown<'a>(&'a LaneThread<'a>);

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        let LaneThread { shared, place, .. } = self.0;
        shared.threads[place.index()].unknown.end();
        shared.let_out_unknown();
    }
}

impl Attendant<(Arc<Entry>, Receipt), Runnable> for LaneThread<'_> {
    fn begin(&self, (entry, receipt): (Arc<Entry>, Receipt)) {
        let bill = Bill::new(self.place.shared(), &entry, receipt);
        match bill.offer(|| self.run(&entry)) {
            (Some(cost), Some(bill)) => bill.settle(cost),
            (None, Some(bill)) => bill.cancel(),
            (_, None) => {} // The job settles it.
        }
    }

    fn go_on(&self, task: Runnable) {
        self.shared.surround("a job", || {
            task.run();
        });
    }

    fn poll_resident(&self) {
        // One that always wakes itself would keep the thread of a lane that has ended.
        if !self.shared.has_ended() {
            self.place.poll_resident();
        }
    }

    fn breathe(&self) {
        self.run_errands();
        self.place.breathe();
    }

    fn lingers(&self) -> bool {
        let brisk = self.ran.take() && self.is_brisk.get();
        if brisk {
            // Unless it finds something, it does not look again so soon.
            self.is_brisk.set(false);
            self.look_until.set(self.now() + LINGER);
        }
        brisk
    }

    fn looks_on(&self) -> bool {
        hint::spin_loop();
        self.now() < self.look_until.get()
    }

    fn will_lie_down(&self) {
        self.place.say_whether_engaged();
    }

    fn park(&self) {
        let before = self.now();
        self.place.park();
        self.place.clock().slept();
        self.is_brisk.set(self.now() - before < BRISK);
    }

    fn run_errands(&self) -> bool {
        // What a job has left to rayon may wait for another job, and that must not be one that waits on this very thread.
        // The helpers have it, then.
        if self.place.is_engaged() {
            return false;
        }
        let run = || rayon::yield_local() == Some(Yield::Executed);
        (0..RAYON_JOBS_A_BREATH).take_while(|_| run()).count() > 0
    }

    fn unpark(&self, index: usize) {
        self.shared.threads[index].unparker.unpark();
    }

    fn is_over(&self) -> bool {
        self.shared.has_ended()
    }

    fn now(&self) -> u64 {
        self.shared.now()
    }

    fn work_began(&self) {
        self.shared.watch.work_began();
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
            os::restore(os);
        }
    }
}
