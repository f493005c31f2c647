//! How fast a lane works off what was predicted, measured while it has more than enough to do.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::stretch::Stretch;

/// A window is at least so long and has at least so many jobs in it, or is very long.
const SHORT: u64 = Duration::from_millis(100).as_nanos() as u64;
const JOBS: i64 = 8;
const LONG: u64 = Duration::from_secs(5).as_nanos() as u64;

/// How far the rate is off is kept as a whole number of 65,536ths.
const ONE: f64 = 65_536.0;

/// The rate is never taken to be further off what it should be than by this factor, whatever the predictions were.
const FARTHEST: f64 = 1_000.0;

/// Without a measurement the rate goes by this part of the distance back to what it should be, once in `SHORT`.
const FADE: f64 = 8.0;

/// Predicted nanoseconds worked off in one nanosecond.
///
/// A lane with two threads and right predictions works off two. If every job costs three times its prediction, that
/// comes out as two thirds, and a delay that is projected with it is right again: wrong predictions correct themselves.
///
/// A lane that is not busy can't be measured, and one with a rate that is far too low might refuse so much that it never
/// gets busy again, though the predictions have become right since. So what was measured fades while the lane has idle
/// threads. What it should be goes by how long jobs take for their CPU time, which an idle lane shows as well.
#[derive(Debug)]
pub(super) struct Drain {
    threads: f64,
    /// What was measured of what it should be.
    off_by: AtomicU64,
    stretch: Stretch,
    /// Predicted nanoseconds and jobs that were worked off so far, modulo 2^64.
    nanos: AtomicU64,
    jobs: AtomicU64,
    /// Whether the lane was short of jobs since somebody last looked at the window.
    short_of_jobs: AtomicBool,
    /// Never waited for: a thread that sleeps with it would hold up all others. Who doesn't get it has counted already.
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// When it began; `None` while the lane is short of jobs.
    since: Option<u64>,
    /// What the counters were then.
    nanos: u64,
    jobs: u64,
    /// When the rate last faded.
    faded: u64,
}

impl Drain {
    pub(super) fn new(threads: usize) -> Self {
        let threads = threads as f64;
        Self {
            threads,
            off_by: AtomicU64::new(ONE as u64),
            stretch: Stretch::new(),
            nanos: AtomicU64::new(0),
            jobs: AtomicU64::new(0),
            short_of_jobs: AtomicBool::new(false),
            window: Mutex::default(),
        }
    }

    /// A job of a predicted cost has ended. `saturated` says whether others still wait; without that the lane had idle
    /// threads, perhaps, and what it did says nothing of what it can do.
    pub(super) fn completed(&self, cost: u64, now: u64, saturated: bool) {
        let nanos = self.nanos.fetch_add(cost, Relaxed).wrapping_add(cost);
        let jobs = self.jobs.fetch_add(1, Relaxed).wrapping_add(1);
        if !saturated {
            self.short_of_jobs.store(true, Relaxed);
        }
        let Ok(mut window) = self.window.try_lock() else {
            return;
        };
        let whole = !self.short_of_jobs.swap(false, Relaxed);
        let Some(since) = window.since.filter(|_| whole) else {
            window.since = saturated.then_some(now);
            (window.nanos, window.jobs) = (nanos, jobs);
            if !saturated && now.saturating_sub(window.faded) >= SHORT {
                window.faded = now;
                self.fade();
            }
            return;
        };
        let passed = now.saturating_sub(since);
        // Whoever counted later may have looked earlier, and then there is nothing yet.
        let did = nanos.wrapping_sub(window.nanos).cast_signed().max(0);
        let many = jobs.wrapping_sub(window.jobs).cast_signed() >= JOBS;
        if (passed >= SHORT && many) || passed >= LONG {
            self.learn(did as f64 / passed as f64);
            window.since = Some(now);
            (window.nanos, window.jobs) = (nanos, jobs);
        }
    }

    /// How long a lane takes to work that much off.
    pub(super) fn time_for(&self, nanos: u64) -> Duration {
        Duration::from_secs_f64((nanos as f64 / 1e9 / self.rate()).min(1e9))
    }

    /// A job took so long, of which it had a core, or wanted none, for `on_cpu`.
    pub(super) fn took(&self, wall: Duration, on_cpu: Duration) {
        self.stretch.took(wall, on_cpu);
    }

    /// How many times its CPU time a job takes.
    pub(super) fn stretch(&self) -> f64 {
        self.stretch.ratio()
    }

    fn learn(&self, measured: f64) {
        self.set(f64::midpoint(self.off_by(), measured / self.ideal()));
    }

    fn fade(&self) {
        let off_by = self.off_by();
        self.set(off_by + (1.0 - off_by) / FADE);
    }

    fn rate(&self) -> f64 {
        self.ideal() * self.off_by()
    }

    /// What the rate is if all predictions are right.
    fn ideal(&self) -> f64 {
        self.threads / self.stretch()
    }

    fn off_by(&self) -> f64 {
        self.off_by.load(Relaxed) as f64 / ONE
    }

    fn set(&self, off_by: f64) {
        let off_by = off_by.clamp(1.0 / FARTHEST, FARTHEST);
        self.off_by.store((off_by * ONE) as u64, Relaxed);
    }
}
