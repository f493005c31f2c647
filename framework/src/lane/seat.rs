//! What one lane thread is doing, in one atomic byte, so that a wake-up from anywhere is neither lost nor doubled.

use crate::sync::{AtomicU8, Ordering};

/// The thread is in its outer frame: it runs jobs and polls its resident. Written by the thread itself only.
const BUSY: u8 = 1;
/// The resident asked to be polled.
const NOTIFIED: u8 = 2;
/// A visit is on its way to the thread and has not arrived.
const CALLED: u8 = 4;

/// The state of one lane thread; see the invariants of [`gate`](super::gate).
#[derive(Debug)]
pub(crate) struct Seat(AtomicU8);

impl Seat {
    /// A seat without a resident.
    pub(crate) fn vacant() -> Self {
        Self(AtomicU8::new(0))
    }

    /// A seat whose resident wants its first poll; whoever makes it must send the visit that this state promises.
    pub(crate) fn called() -> Self {
        Self(AtomicU8::new(NOTIFIED | CALLED))
    }

    /// The thread enters its outer frame. False if it is in it already, that is, if this arrival is nested.
    pub(crate) fn sit(&self) -> bool {
        self.0.fetch_or(BUSY, Ordering::SeqCst) & BUSY == 0
    }

    /// Like [`sit`](Self::sit), for a thread that got its visit.
    pub(crate) fn sit_for_visit(&self) -> bool {
        let before = self.update(|state| Some((state & !CALLED) | BUSY));
        before.is_some_and(|state| state & BUSY == 0)
    }

    /// The thread leaves its outer frame, unless its resident asked for a poll in the meantime: then false.
    pub(crate) fn rise(&self) -> bool {
        self.update(|state| (state & NOTIFIED == 0).then_some(state & !BUSY))
            .is_some()
    }

    /// Takes the resident's wish to be polled.
    pub(crate) fn take_notice(&self) -> bool {
        // The plain load keeps a thread without a busy resident from writing to this cache line after every job.
        self.0.load(Ordering::Acquire) & NOTIFIED != 0
            && self.0.fetch_and(!NOTIFIED, Ordering::SeqCst) & NOTIFIED != 0
    }

    /// Records that the resident wants a poll. True if the caller must send the thread a visit.
    #[must_use]
    pub(crate) fn notify(&self) -> bool {
        let before = self.update(|state| {
            let told = state | NOTIFIED;
            Some(if state & BUSY == 0 {
                told | CALLED
            } else {
                told
            })
        });
        before.is_some_and(|state| state & (BUSY | CALLED) == 0)
    }

    /// Promises a visit to an idle thread. True if the caller must send it.
    #[must_use]
    pub(crate) fn call_if_idle(&self) -> bool {
        self.update(|state| (state & (BUSY | CALLED) == 0).then_some(state | CALLED))
            .is_some()
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) & BUSY != 0
    }

    fn update(&self, change: impl FnMut(u8) -> Option<u8>) -> Option<u8> {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change)
            .ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn wakes_coalesce_into_one_visit() {
        let seat = Seat::vacant();
        assert!(seat.notify());
        assert!(!seat.notify());
        assert!(!seat.call_if_idle());
        assert!(seat.sit_for_visit());
        assert!(seat.take_notice());
        assert!(!seat.take_notice());
        assert!(!seat.notify(), "a busy thread looks for itself");
        assert!(!seat.rise(), "and may not leave before it has looked");
        assert!(seat.take_notice());
        assert!(seat.rise());
        assert!(seat.notify());
    }

    #[test]
    fn a_nested_arrival_is_known_as_such() {
        let seat = Seat::called();
        assert!(!seat.notify(), "the first visit is promised already");
        assert!(seat.sit());
        assert!(!seat.sit());
        assert!(!seat.sit_for_visit());
        assert!(seat.is_busy());
        assert!(!seat.call_if_idle());
    }
}
