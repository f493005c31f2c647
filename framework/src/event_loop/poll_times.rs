//! How long polls took, counted by classes, for the price of one comparison and one addition a poll.

use std::{
    array, fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The upper limits of the classes in seconds; the last class, of all that is longer, has none.
pub const BOUNDS: [f64; CLASSES - 1] = {
    let mut bounds = [0.0; CLASSES - 1];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = MICROS[at] as f64 / 1e6;
        at += 1;
    }
    bounds
};

pub(crate) const CLASSES: usize = MICROS.len() + 1;

const MICROS: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Counts times by class. Any thread may read; who may write is up to the method.
#[derive(Default)]
pub(crate) struct PollTimes([AtomicU64; CLASSES]);

impl PollTimes {
    /// Counts one, without a locked instruction: for a single writer.
    #[inline]
    pub(crate) fn count_alone(&self, nanos: u64) {
        // Nearly all polls of an event loop are in the first class.
        let class = if nanos <= MICROS[0] * 1_000 {
            0
        } else {
            class(nanos)
        };
        let count = &self.0[class];
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Counts one; any thread may.
    pub(crate) fn count(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0[class(nanos)].fetch_add(1, Relaxed);
    }

    pub(crate) fn counts(&self) -> [u64; CLASSES] {
        array::from_fn(|class| self.0[class].load(Relaxed))
    }
}

fn class(nanos: u64) -> usize {
    MICROS.partition_point(|bound| *bound * 1_000 < nanos)
}

impl fmt::Debug for PollTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_class_whose_limit_it_does_not_exceed() {
        let times = PollTimes::default();
        for nanos in [0, 50_000, 50_001, 100_000, 10_000_000_001, u64::MAX] {
            times.count_alone(nanos);
            times.count(Duration::from_nanos(nanos));
        }
        let counts = times.counts();
        assert_eq!((counts[0], counts[1], counts[CLASSES - 1]), (4, 4, 4));
        assert_eq!(counts.iter().sum::<u64>(), 12);
        assert_eq!(BOUNDS[0], 50e-6);
        assert!(BOUNDS.is_sorted());
    }
}
