//! The clock by which jobs wait: it stands still while nobody ran, because that is no delay of the lane's.
//!
//! A process can be stopped as a whole: by a signal, a debugger, a frozen container, a suspended virtual machine. Whatever waits would
//! have waited too long at once, and all of it be refused in one wave. The lane's watch comes by every few milliseconds; if it has
//! not for a hundred times as long, nobody else has run either, or hardly. So the clock runs from look to look.

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
    time::Duration,
};

/// A watch that has not looked for so long did not run. A busy machine may well keep it for a tenth of that.
const LAPSE: u64 = Duration::from_millis(500).as_nanos() as u64;

/// The watch sleeps for good, because nothing is at work.
const RESTS: u64 = u64::MAX;

/// In nanoseconds, on the lane's clock and its own.
#[derive(Debug, Default)]
pub(super) struct WaitingClock {
    looked_at: AtomicU64,
    /// What has passed altogether that does not count.
    lapsed: AtomicU64,
}

impl WaitingClock {
    /// The watch looks. One thread at a time does that.
    pub(super) fn look(&self, now: u64) {
        let looked_at = self.looked_at.load(Acquire);
        let passed = now.saturating_sub(looked_at); // Nothing after a rest.
        if passed > LAPSE {
            // Before the look is shown: a clock that goes back for a moment refuses nobody.
            self.lapsed.fetch_add(passed, Release);
        }
        self.looked_at.store(now, Release);
    }

    /// The watch will not look until there is work. The time until then counts: it was quiet.
    pub(super) fn rest(&self) {
        self.looked_at.store(RESTS, Release);
    }

    /// What it shows at `now`.
    pub(super) fn at(&self, now: u64) -> u64 {
        let looked_at = self.looked_at.load(Acquire);
        let counted = match now.saturating_sub(looked_at) {
            passed if passed > LAPSE => looked_at,
            // Who was stopped after it had asked for the time is late: the watch has looked since, and counted that.
            0 if looked_at != RESTS => looked_at,
            _ => now,
        };
        counted.saturating_sub(self.lapsed.load(Acquire))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn it_runs_while_the_watch_comes_by_and_also_if_it_is_late() {
        let clock = WaitingClock::default();
        for look in 1..100 {
            clock.look(look * 400 * MS);
            assert_eq!(
                clock.at(look * 400 * MS + 399 * MS),
                look * 400 * MS + 399 * MS
            );
        }
    }

    #[test]
    fn what_nobody_ran_in_is_no_time() {
        let clock = WaitingClock::default();
        clock.look(100 * MS);
        assert_eq!(clock.at(110 * MS), 110 * MS);
        // All are stopped for five seconds. Who comes first, the watch or another, makes no difference.
        assert_eq!(clock.at(5_110 * MS), 100 * MS);
        clock.look(5_111 * MS);
        assert_eq!(clock.at(5_111 * MS), 100 * MS);
        clock.look(5_120 * MS);
        assert_eq!(clock.at(5_121 * MS), 110 * MS);
    }

    #[test]
    fn who_was_stopped_with_an_old_time_in_his_hand_is_not_late() {
        let clock = WaitingClock::default();
        clock.look(100 * MS);
        let before = clock.at(101 * MS);
        clock.look(5_101 * MS);
        assert!(clock.at(101 * MS) + MS >= before);
    }

    #[test]
    fn quiet_time_counts() {
        let clock = WaitingClock::default();
        clock.look(100 * MS);
        clock.rest();
        assert_eq!(clock.at(5_100 * MS), 5_100 * MS);
        clock.look(5_200 * MS);
        assert_eq!(clock.at(5_300 * MS), 5_300 * MS);
    }
}
