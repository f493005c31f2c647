//! What one lane thread is at, in one atomic byte, so that a call from anywhere is neither lost nor doubled.

use crate::sync::{AtomicU8, Ordering};

/// The thread sleeps, or is about to. Set by the thread itself, cleared by whoever calls it, or by itself.
const PARKED: u8 = 1;
/// Its resident asked to be polled.
const NOTIFIED: u8 = 2;
/// It was called to take jobs, and a slot was taken for it.
const SLOT: u8 = 4;
/// It was called to run what rayon has for this very thread.
const ERRAND: u8 = 8;
/// Something that has begun here waits, or may keep the thread while it is parked. Written by the thread itself only.
const ENGAGED: u8 = 16;

/// The state of one lane thread; see the invariants of [`gate`](super::gate).
#[derive(Debug, Default)]
pub(crate) struct Seat(AtomicU8);

/// What a thread was called for while it was parked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Called {
    /// To take jobs, with a slot that the caller took for it.
    pub(crate) with_slot: bool,
    /// To run what rayon has for it.
    pub(crate) for_errand: bool,
}

impl Seat {
    /// The thread is about to sleep. False if its resident wants a poll.
    pub(crate) fn lie_down(&self) -> bool {
        self.update(|state| (state & NOTIFIED == 0).then_some(state | PARKED))
            .is_some()
    }

    /// Whether nobody has called the thread since it lay down.
    pub(crate) fn is_parked(&self) -> bool {
        self.0.load(Ordering::SeqCst) & PARKED != 0
    }

    /// The thread goes on, and learns what it was called for.
    pub(crate) fn get_up(&self) -> Called {
        let keep = NOTIFIED | ENGAGED;
        let before = self.0.fetch_and(keep, Ordering::SeqCst);
        Called {
            with_slot: before & SLOT != 0,
            for_errand: before & ERRAND != 0,
        }
    }

    /// Takes the resident's wish to be polled.
    pub(crate) fn take_notice(&self) -> bool {
        // The plain load keeps a thread without a busy resident from writing to this cache line after every job.
        self.0.load(Ordering::Acquire) & NOTIFIED != 0
            && self.0.fetch_and(!NOTIFIED, Ordering::SeqCst) & NOTIFIED != 0
    }

    /// Whether the resident wants a poll.
    pub(crate) fn is_notified(&self) -> bool {
        self.0.load(Ordering::Relaxed) & NOTIFIED != 0
    }

    /// Records that the resident wants a poll. True if the caller must unpark the thread.
    #[must_use]
    pub(crate) fn notify(&self) -> bool {
        self.update(|state| Some((state | NOTIFIED) & !PARKED))
            .is_some_and(|before| before & PARKED != 0)
    }

    /// Calls the thread to take jobs, if it is parked. The caller hands over a slot, and must unpark the thread.
    #[must_use]
    pub(crate) fn call_with_slot(&self, willing: Willing) -> bool {
        self.call(SLOT, willing)
    }

    /// Calls the thread to run what rayon has for it, if it is parked. The caller must unpark it.
    #[must_use]
    pub(crate) fn call_for_errand(&self) -> bool {
        // What rayon has may wait for what waits here.
        self.call(ERRAND, Willing::Free)
    }

    /// Says whether something that has begun here waits, or may keep the thread while it is parked. For the thread itself.
    pub(crate) fn set_engaged(&self, engaged: bool) {
        match (engaged, self.is_engaged()) {
            (true, false) => drop(self.0.fetch_or(ENGAGED, Ordering::Relaxed)),
            (false, true) => drop(self.0.fetch_and(!ENGAGED, Ordering::Relaxed)),
            _ => {}
        }
    }

    pub(crate) fn is_engaged(&self) -> bool {
        self.0.load(Ordering::Relaxed) & ENGAGED != 0
    }

    /// Whether the thread was called with a slot and has not come.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SLOT != 0
    }

    /// Takes the slot back with which the thread was called, if it has not come. The slot is the caller's, then.
    #[must_use]
    pub(crate) fn take_back_slot(&self) -> bool {
        self.0.fetch_and(!SLOT, Ordering::SeqCst) & SLOT != 0
    }

    fn call(&self, what: u8, willing: Willing) -> bool {
        let hindered = match willing {
            Willing::Free => ENGAGED,
            Willing::Any => 0,
        };
        // The plain load spares those who look for a thread a write to each that is at work.
        self.0.load(Ordering::SeqCst) & (PARKED | hindered) == PARKED
            && self
                .update(|state| {
                    (state & (PARKED | hindered) == PARKED).then_some((state | what) & !PARKED)
                })
                .is_some()
    }

    fn update(&self, change: impl FnMut(u8) -> Option<u8>) -> Option<u8> {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change)
            .ok()
    }
}

/// Which parked threads are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Willing {
    /// Those that are not engaged.
    Free,
    /// All.
    Any,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_several_calls_unparks() {
        let seat = Seat::default();
        assert!(!seat.notify(), "a thread at work looks for itself");
        assert!(!seat.lie_down(), "and may not sleep before it has looked");
        assert!(seat.take_notice());
        assert!(!seat.take_notice());
        assert!(seat.lie_down() && seat.is_parked());
        assert!(seat.notify());
        assert!(!seat.notify());
        assert!(!seat.call_with_slot(Willing::Any));
        assert!(!seat.is_parked());
        assert_eq!(seat.get_up(), Called::default());
        assert!(seat.take_notice(), "getting up does not take the wish");
    }

    #[test]
    fn a_call_says_what_it_is_for_once() {
        let seat = Seat::default();
        assert!(!seat.call_with_slot(Willing::Any), "it is at work");
        assert!(seat.lie_down());
        assert!(seat.call_with_slot(Willing::Free));
        assert!(!seat.call_for_errand());
        let called = seat.get_up();
        assert!(called.with_slot && !called.for_errand);
        assert!(seat.lie_down());
        assert!(seat.call_for_errand());
        assert!(seat.get_up().for_errand);
        assert_eq!(seat.get_up(), Called::default());
    }

    #[test]
    fn a_slot_is_taken_or_taken_back() {
        let seat = Seat::default();
        assert!(seat.lie_down() && seat.call_with_slot(Willing::Any));
        assert!(seat.is_awaited());
        assert!(seat.take_back_slot());
        assert!(!seat.is_awaited() && !seat.take_back_slot());
        assert_eq!(seat.get_up(), Called::default());
        assert!(seat.lie_down() && seat.call_with_slot(Willing::Any));
        assert!(seat.get_up().with_slot && !seat.take_back_slot());
    }

    #[test]
    fn a_thread_on_which_jobs_wait_is_called_for_jobs_only_and_last() {
        let seat = Seat::default();
        seat.set_engaged(true);
        assert!(seat.lie_down());
        assert!(!seat.call_for_errand());
        assert!(!seat.call_with_slot(Willing::Free));
        assert!(seat.call_with_slot(Willing::Any));
        seat.get_up();
        seat.set_engaged(false);
        assert!(seat.lie_down());
        assert!(seat.call_for_errand());
    }
}
