//! Tells a burst, whose queue drains, from an overload, whose queue stands.
//!
//! "Good queues" take up a burst and are gone after a while, "bad queues" stay however long they are (Nichols and Jacobson,
//! "Controlling Queue Delay", ACM Queue 2012). CoDel tells them apart by how long a queue has stood. That is too late here,
//! because nothing is to be refused after a wait, and a burst may take seconds to drain. What comes says it sooner: a burst comes within
//! a moment, and after that less than the lane can do.
//!
//! So what a flow brings is counted in a leaky bucket that its share of the lane empties, by the generic cell rate algorithm in
//! its form of virtual scheduling (ITU-T I.371): one word, the moment at which the bucket will be empty. What comes within a
//! moment of a short queue's last sight is a burst and does not count. While the bucket is not full the queue drains,
//! however long it is.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A burst comes within this time. A busy machine may need as long to take in what a client has sent at once.
pub(super) const MOMENT: u64 = Duration::from_millis(250).as_nanos() as u64;

/// The bucket overflows so much above what counts as full: so long it takes until an overload is found to be over.
const MEMORY: u64 = Duration::from_secs(1).as_nanos() as u64;

/// What one flow has brought to one lane of late.
///
/// Event loops write to it at the same time without a lock. What is lost by that is one arrival now and then.
#[derive(Debug, Default)]
pub(super) struct Surge {
    /// When the lane will have worked off what counts.
    empty_at: AtomicU64,
    /// When the queue was last short. Zero is long ago, or the beginning.
    short_at: AtomicU64,
}

/// One arrival. All times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) now: u64,
    /// How long the flow's share of the lane takes for it.
    pub(super) takes: u64,
    /// How long it would wait.
    pub(super) delay: u64,
    /// Up to this delay a queue counts as short, and a bucket as not full.
    pub(super) short: u64,
}

impl Surge {
    /// Whether what comes is a burst, or so little that a queue drains, and not an overload.
    pub(super) fn drains(&self, arrived: Arrived) -> bool {
        let left = self.left(arrived.now);
        left <= arrived.short || self.is_burst(arrived, left)
    }

    /// Takes an arrival in, and says whether the queue drains in spite of it.
    pub(super) fn take_in(&self, arrived: Arrived) -> bool {
        let Arrived {
            now, takes, short, ..
        } = arrived;
        let left = self.left(now);
        let most = if Self::is_short(arrived, left) {
            self.short_at.store(now, Relaxed);
            short
        } else if self.is_burst(arrived, left) {
            return true;
        } else {
            short.saturating_add(MEMORY)
        };
        let filled = left.saturating_add(takes).min(most.max(left));
        self.empty_at.store(now.saturating_add(filled), Relaxed);
        left <= short
    }

    fn left(&self, now: u64) -> u64 {
        self.empty_at.load(Relaxed).saturating_sub(now)
    }

    fn is_short(arrived: Arrived, left: u64) -> bool {
        left <= arrived.short && arrived.delay <= arrived.short
    }

    fn is_burst(&self, arrived: Arrived, left: u64) -> bool {
        Self::is_short(arrived, left)
            || arrived.now.saturating_sub(self.short_at.load(Relaxed)) <= MOMENT
    }
}
