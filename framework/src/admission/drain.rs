//! How fast a lane works off what was predicted, measured while it has more than enough to do.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A window is at least so long and has at least so many jobs in it, or is very long.
const SHORT: u64 = Duration::from_millis(100).as_nanos() as u64;
const JOBS: u32 = 8;
const LONG: u64 = Duration::from_secs(5).as_nanos() as u64;

/// The rate is kept as a whole number of 65,536ths.
const ONE: f64 = 65_536.0;

/// The rate is never taken to be further off the number of threads than by this factor, whatever the predictions were.
const FARTHEST: f64 = 1_000.0;

/// Predicted nanoseconds worked off in one nanosecond.
///
/// A lane with two threads and right predictions works off two. If every job costs three times its prediction, that
/// comes out as two thirds, and a delay that is projected with it is right again: wrong predictions correct themselves.
#[derive(Debug)]
pub(super) struct Drain {
    threads: f64,
    rate: AtomicU64,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    since: Option<u64>,
    nanos: u64,
    jobs: u32,
}

impl Drain {
    pub(super) fn new(threads: usize) -> Self {
        let threads = threads as f64;
        Self {
            threads,
            rate: AtomicU64::new((threads * ONE) as u64),
            window: Mutex::default(),
        }
    }

    /// A job of a predicted cost has ended. `saturated` says whether others still wait; without that the lane had idle
    /// threads, perhaps, and what it did says nothing of what it can do.
    pub(super) fn completed(&self, nanos: u64, now: u64, saturated: bool) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = window.since.filter(|_| saturated) else {
            *window = Window {
                since: saturated.then_some(now),
                ..Window::default()
            };
            return;
        };
        window.nanos = window.nanos.saturating_add(nanos);
        window.jobs += 1;
        let passed = now.saturating_sub(since);
        if (passed >= SHORT && window.jobs >= JOBS) || passed >= LONG {
            self.learn(window.nanos as f64 / passed as f64);
            *window = Window {
                since: Some(now),
                ..Window::default()
            };
        }
    }

    /// How long a lane takes to work that much off.
    pub(super) fn time_for(&self, nanos: u64) -> Duration {
        let rate = self.rate.load(Relaxed) as f64 / ONE;
        Duration::from_secs_f64((nanos as f64 / 1e9 / rate).min(1e9))
    }

    fn learn(&self, measured: f64) {
        let old = self.rate.load(Relaxed) as f64 / ONE;
        let rate = f64::midpoint(old, measured);
        let rate = rate.clamp(self.threads / FARTHEST, self.threads * FARTHEST);
        self.rate.store((rate * ONE) as u64, Relaxed);
    }
}
