//! The clocks of the system and of the calling thread, as the system gives them.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

pub(super) use given::*;

/// Since the first call.
pub(super) fn wall_time() -> Duration {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    EPOCH.elapsed()
}

#[cfg(unix)]
mod given {
    use std::{ffi::c_long, time::Duration};

    use nix::time::{ClockId, clock_gettime};

    /// Whether a thread that waits can be told from one that was descheduled.
    pub(crate) const TELLS_WAITING: bool = cfg!(target_os = "linux");

    /// Of a clock of its own epoch. Zero if there is no such clock, so that nothing ever seems to take long.
    #[inline]
    pub(crate) fn monotonic_nanos() -> u64 {
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
            // It counts from the start of the system: neither part is negative, and 64 bits last for 584 years.
            let part = |part| u64::try_from(part).unwrap_or_default();
            part(now.tv_sec()) * 1_000_000_000 + part(now.tv_nsec())
        })
    }

    #[inline]
    pub(crate) fn cpu_time() -> Option<Duration> {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
            .ok()
            .map(Duration::from)
    }

    #[cfg(target_os = "linux")]
    #[inline]
    pub(crate) fn voluntary_switches() -> c_long {
        use nix::sys::resource::{UsageWho, getrusage};

        getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.voluntary_context_switches())
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn voluntary_switches() -> c_long {
        0
    }
}

#[cfg(not(unix))]
mod given {
    use std::{ffi::c_long, time::Duration};

    pub(crate) const TELLS_WAITING: bool = false;

    pub(crate) fn monotonic_nanos() -> u64 {
        u64::try_from(super::wall_time().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn cpu_time() -> Option<Duration> {
        None
    }

    pub(crate) fn voluntary_switches() -> c_long {
        0
    }
}
