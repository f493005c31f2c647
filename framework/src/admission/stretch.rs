//! How much longer a job takes than it computes, because others have the cores as well.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The last jobs count by how long they took, and those that began so long ago, in time at work, hardly any more.
const MEMORY: f64 = 0.5;

/// What is believed at the beginning, as if it had been seen for so many seconds: that nobody else has the cores.
const FIRST_GUESS: f64 = 0.01;

/// Nothing beyond that is believed.
const MOST: f64 = 64.0;

/// It is kept as a whole number of 65,536ths.
const ONE: f64 = 65_536.0;

/// The wall time of what a lane runs by its CPU time, smoothed.
///
/// Costs are CPU time, or nobody could compare them. But whoever waits does so by the wall clock: on a machine that is busy with something
/// else, 100 ms of CPU time may take 300.
#[derive(Debug)]
pub(super) struct Stretch {
    ratio: AtomicU64,
    /// Never waited for: a thread that sleeps with it would hold up all others. A sample is nothing that one could not do without.
    seen: Mutex<Seen>,
}

/// What was seen, in seconds.
#[derive(Debug)]
struct Seen {
    wall: f64,
    on_cpu: f64,
}

impl Stretch {
    pub(super) fn new() -> Self {
        Self {
            ratio: AtomicU64::new(ONE as u64),
            seen: Mutex::new(Seen {
                wall: FIRST_GUESS,
                on_cpu: FIRST_GUESS,
            }),
        }
    }

    /// A job took so long, of which it had a core, or wanted none, for `on_cpu`.
    pub(super) fn took(&self, wall: Duration, on_cpu: Duration) {
        let Ok(mut seen) = self.seen.try_lock() else {
            return;
        };
        let wall = wall.as_secs_f64();
        let kept = MEMORY / (MEMORY + wall);
        seen.wall = seen.wall * kept + wall;
        seen.on_cpu = seen.on_cpu * kept + on_cpu.as_secs_f64();
        let ratio = (seen.wall / seen.on_cpu).clamp(1.0, MOST);
        self.ratio.store((ratio * ONE) as u64, Relaxed);
    }

    /// 1 to 64.
    pub(super) fn ratio(&self) -> f64 {
        self.ratio.load(Relaxed) as f64 / ONE
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_long_job_tells_and_the_next_ones_correct_it() {
        let stretch = Stretch::new();
        assert!((stretch.ratio() - 1.0).abs() < 0.01);
        stretch.took(300 * MS, 100 * MS);
        assert!((2.5..3.5).contains(&stretch.ratio()), "{stretch:?}");
        for _ in 0..20 {
            stretch.took(300 * MS, 300 * MS);
        }
        assert!((1.0..1.1).contains(&stretch.ratio()), "{stretch:?}");
    }

    #[test]
    fn what_is_short_says_little_and_nothing_is_believed_without_bounds() {
        let stretch = Stretch::new();
        for _ in 0..20 {
            stretch.took(100 * MS, 100 * MS);
        }
        stretch.took(MS, MS / 50);
        assert!(stretch.ratio() < 1.1, "{stretch:?}");
        for _ in 0..1_000 {
            stretch.took(100 * MS, Duration::ZERO);
        }
        assert!((stretch.ratio() - MOST).abs() < 0.01, "{stretch:?}");
        for _ in 0..1_000 {
            stretch.took(MS, 2 * MS);
        }
        assert!(stretch.ratio() >= 1.0, "{stretch:?}");
    }
}
