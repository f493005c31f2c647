//! Since when a lane thread has had its present piece of work, so that what outlives its class is told while it runs.

use crate::sync::{AtomicU64, Ordering};

/// The piece of work holds one of the lane's slots.
const HOLDS_SLOT: u64 = 1;
/// It was found to have outlived its class.
const OVERDUE: u64 = 2;
/// Its slot was lent to another thread for the rest of it.
const LENT: u64 = 4;
const FLAGS: u32 = 3;

/// One atomic word: zero at rest, otherwise the beginning of the work and what was found out about it since.
///
/// The thread itself begins and ends; one other thread, the lane's watch, marks in between.
#[derive(Debug, Default)]
pub(crate) struct Tenure(AtomicU64);

/// How a piece of work is on its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It holds a slot.
    Slot,
    /// It holds none, as the poll of a resident while nothing was in the queue.
    Nothing,
}

/// What the watch did to a piece of work before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) overdue: bool,
    pub(crate) lent: bool,
}

impl Tenure {
    /// The thread begins a piece of work. `now` is in nanoseconds on the lane's own clock.
    pub(crate) fn begin(&self, now: u64, holds: Holds) {
        let flag = match holds {
            Holds::Slot => HOLDS_SLOT,
            Holds::Nothing => 0,
        };
        // At least 1, because zero means rest.
        self.0.store((now.max(1) << FLAGS) | flag, Ordering::SeqCst);
    }

    /// The thread has ended it.
    pub(crate) fn end(&self) -> Fate {
        let word = self.0.swap(0, Ordering::SeqCst);
        Fate {
            overdue: word & OVERDUE != 0,
            lent: word & LENT != 0,
        }
    }

    /// Marks the present piece of work as overdue if it began at `latest` or before.
    ///
    /// With `lend` its slot is lent, if it holds one, also if it was marked before when nothing could be lent. `None` if
    /// there was nothing to mark, otherwise whether it was lent.
    pub(crate) fn mark_overdue(&self, latest: u64, lend: bool) -> Option<bool> {
        let word = self.0.load(Ordering::SeqCst);
        if word == 0 || word >> FLAGS > latest {
            return None;
        }
        let lent = lend && word & (HOLDS_SLOT | LENT) == HOLDS_SLOT;
        if word & OVERDUE != 0 && !lent {
            return None;
        }
        let marked = word | OVERDUE | if lent { LENT } else { 0 };
        // If it fails, the work has just ended. Another one can't have begun in the same nanosecond with the same flags
        // and be older than `latest`.
        self.0
            .compare_exchange(word, marked, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
            .then_some(lent)
    }

    /// When the present piece of work began; `None` at rest.
    pub(crate) fn began(&self) -> Option<u64> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            word => Some(word >> FLAGS),
        }
    }

    /// Whether the piece of work that began then is still under way and was marked, so that its end will be told of it.
    pub(crate) fn is_overdue_since(&self, began: u64) -> bool {
        let word = self.0.load(Ordering::SeqCst);
        word >> FLAGS == began && word & OVERDUE != 0
    }

    /// Whether a piece of work is under way that was marked.
    pub(crate) fn is_overdue(&self) -> bool {
        self.0.load(Ordering::SeqCst) & OVERDUE != 0
    }

    pub(crate) fn is_at_work(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PLAIN: Fate = Fate {
        overdue: false,
        lent: false,
    };

    #[test]
    fn only_what_is_old_enough_is_marked_and_only_once() {
        let tenure = Tenure::default();
        assert_eq!(tenure.mark_overdue(u64::MAX, true), None, "at rest");
        tenure.begin(100, Holds::Slot);
        assert!(tenure.is_at_work());
        assert_eq!(tenure.mark_overdue(99, true), None, "too young");
        assert_eq!(tenure.mark_overdue(100, true), Some(true));
        assert_eq!(tenure.mark_overdue(100, true), None, "marked already");
        let fate = tenure.end();
        assert!(fate.overdue && fate.lent);
        assert!(!tenure.is_at_work());
        tenure.begin(0, Holds::Slot);
        assert_eq!(tenure.end(), PLAIN);
    }

    #[test]
    fn what_holds_no_slot_has_none_to_lend() {
        let tenure = Tenure::default();
        tenure.begin(1, Holds::Nothing);
        assert_eq!(tenure.mark_overdue(1, true), Some(false));
        tenure.end();
        tenure.begin(1, Holds::Slot);
        assert_eq!(tenure.mark_overdue(1, false), Some(false));
        assert!(!tenure.end().lent);
    }

    #[test]
    fn a_slot_is_lent_later_if_nothing_could_be_lent_at_first() {
        let tenure = Tenure::default();
        tenure.begin(1, Holds::Slot);
        assert_eq!(tenure.mark_overdue(1, false), Some(false));
        assert_eq!(tenure.mark_overdue(1, false), None);
        assert_eq!(tenure.mark_overdue(1, true), Some(true));
        assert_eq!(tenure.mark_overdue(1, true), None);
        let fate = tenure.end();
        assert!(fate.overdue && fate.lent);
    }
}
