//! Clocks that a test sets: what a thread costs is then what the test says, on a machine of any speed.
//!
//! Only the calling thread's clocks are simulated, from [`begin`] on. The feature is enabled by tests of this workspace alone; a
//! build without it reads the system's clocks with nothing in between.

use std::{cell::Cell, ffi::c_long, time::Duration};

use super::system;

thread_local! {
    static NOW: Cell<Option<Now>> = const { Cell::new(None) };
}

/// The simulated clocks of one thread.
#[derive(Clone, Copy)]
struct Now {
    monotonic_nanos: u64,
    cpu: Duration,
    voluntary_switches: c_long,
}

/// How a thread spends its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It computes.
    Computing,
    /// It gives up the CPU of its own accord, as one does that sleeps or has nothing to do.
    Waiting,
    /// The kernel runs somebody else.
    SetAside,
}

/// From now on the clocks of the calling thread only go on by [`pass`]. Does nothing if they are simulated already.
pub fn begin() {
    if NOW.get().is_none() {
        NOW.set(Some(Now {
            // Other threads compare what they read with it.
            monotonic_nanos: system::monotonic_nanos(),
            cpu: Duration::ZERO,
            voluntary_switches: 0,
        }));
    }
}

/// Lets time pass on the calling thread.
///
/// # Panics
///
/// If its clocks are not simulated.
pub fn pass(time: Duration, spent: Spent) {
    let mut now = NOW.get().expect("the clocks of this thread are simulated");
    now.monotonic_nanos += u64::try_from(time.as_nanos()).expect("less than centuries");
    match spent {
        Spent::Computing => now.cpu += time,
        Spent::Waiting => now.voluntary_switches += 1,
        Spent::SetAside => {}
    }
    NOW.set(Some(now));
}

pub(super) fn monotonic_nanos() -> u64 {
    NOW.get()
        .map_or_else(system::monotonic_nanos, |now| now.monotonic_nanos)
}

pub(super) fn cpu_time() -> Option<Duration> {
    NOW.get().map_or_else(system::cpu_time, |now| Some(now.cpu))
}

pub(super) fn voluntary_switches() -> c_long {
    NOW.get()
        .map_or_else(system::voluntary_switches, |now| now.voluntary_switches)
}
