//! How long the lane's requests have taken of late, to say honestly when a refused client may return.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A moving average of run costs; the newest counts an eighth.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    mean_nanos: AtomicU64,
}

impl Pace {
    /// Takes one run into account. Concurrent runs may overwrite each other, which only costs a
    /// sample.
    pub(crate) fn record(&self, cost: Duration) {
        let new = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        let old = self.mean_nanos.load(Ordering::Relaxed);
        let mean = if old == 0 {
            new
        } else {
            old - old / 8 + new / 8
        };
        self.mean_nanos.store(mean, Ordering::Relaxed);
    }

    /// How long `waiting` further runs will keep `threads` threads.
    pub(crate) fn time_for(&self, waiting: usize, threads: usize) -> Duration {
        let mean = Duration::from_nanos(self.mean_nanos.load(Ordering::Relaxed));
        mean.mul_f64(waiting as f64 / threads.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_what_is_recorded() {
        let pace = Pace::default();
        assert_eq!(pace.time_for(100, 2), Duration::ZERO);
        for _ in 0..100 {
            pace.record(Duration::from_millis(10));
        }
        let time = pace.time_for(100, 2).as_secs_f64();
        assert!((0.4..0.6).contains(&time), "{time}");
    }
}
