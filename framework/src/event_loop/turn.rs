//! What a thread is polling at this moment and since when, in two atomic words, so that a watcher sees a poll that does not end.

use std::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use crate::clock::Moment;

/// What a poll belongs to, in one word: a [`Route`](crate::routes::Route), or nothing that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label(u32);

impl Label {
    /// Nothing that is known.
    pub const NONE: Self = Self(0);
    /// Spawned tasks, which a lane thread drives while it is parked. That it sleeps meanwhile is no stall.
    pub const TASKS: Self = Self(u32::MAX);

    /// The [`id`](crate::routes::Route::id) of the route, if it is one's.
    #[must_use]
    pub fn id(self) -> Option<u32> {
        self.0.checked_sub(1)
    }

    #[inline]
    pub(crate) fn from_word(word: u32) -> Self {
        Self(word)
    }

    pub(crate) fn word(self) -> u32 {
        self.0
    }
}

/// What a thread says of its present poll, written by the thread itself only.
#[derive(Default)]
pub(crate) struct Turn {
    /// The moment at which the present poll began, or at which the last one ended; the lowest bit says which.
    word: AtomicU64,
    label: AtomicU32,
}

/// What a watcher saw a thread at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Poll {
    /// Since when it is as it is; zero if it never polled anything.
    pub(crate) since: Moment,
    /// For whom it polls; `None` between two polls.
    pub(crate) label: Option<Label>,
}

const POLLS: u64 = 1;

impl Turn {
    #[inline]
    pub(crate) fn begin(&self, now: Moment, label: Label) {
        self.label.store(label.0, Ordering::Relaxed);
        // Whoever sees the word sees its label, or a newer one.
        self.word
            .store((now.nanos() << 1) | POLLS, Ordering::Release);
    }

    #[inline]
    pub(crate) fn end(&self, now: Moment) {
        self.word.store(now.nanos() << 1, Ordering::Release);
    }

    /// What the thread is at. The label may be that of the next poll if one has just begun.
    pub(crate) fn now(&self) -> Poll {
        let word = self.word.load(Ordering::Acquire);
        let polls = word & POLLS != 0;
        Poll {
            since: Moment::from_nanos(word >> 1),
            label: polls.then(|| Label(self.label.load(Ordering::Relaxed))),
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_turn_says_since_when_and_for_whom() {
        let turn = Turn::default();
        assert_eq!(turn.now().label, None);
        turn.begin(Moment::from_nanos(7), Label(3));
        let seen = turn.now();
        assert_eq!((seen.since.nanos(), seen.label), (7, Some(Label(3))));
        turn.end(Moment::from_nanos(9));
        let seen = turn.now();
        assert_eq!((seen.since.nanos(), seen.label), (9, None));
    }

    #[test]
    fn a_label_is_a_route_or_none() {
        assert_eq!(Label::NONE.id(), None);
        assert_eq!(Label(1).id(), Some(0));
    }
}
