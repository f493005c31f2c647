//! Shares the cores between the lanes, which the kernel gives to the short one first.
//!
//! A flood of short jobs would leave the long lane nothing but the crumbs, whatever the shares of their flows are. So while
//! the long lane has something to do, it is kept account of what each lane uses, and the short one gives up slots for as
//! long as the long one is behind its fair part.

use std::time::Duration;

use super::Weight;

/// How far the long lane may be ahead, for each thread: the short jobs that come in a burst after a while without any find
/// all slots there.
const MOST_AHEAD: Duration = Duration::from_millis(20);
/// How far it may be behind on the books, for each thread, so that it does not hold the cores for long to catch up.
const MOST_BEHIND: Duration = Duration::from_millis(20);

/// What the lanes did since the last look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// CPU time of the short lane's threads.
    pub(crate) short: Duration,
    /// CPU time of the long lane's threads.
    pub(crate) long: Duration,
}

/// The weights of the flows that have something waiting in each lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    pub(crate) short: usize,
    pub(crate) long: usize,
}

/// What the short lane has to do with its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slots {
    /// Give up one more.
    Fewer,
    /// Leave them as they are.
    AsMany,
    /// Take one back.
    More,
}

/// How far the long lane is behind its fair part.
#[derive(Debug)]
pub(crate) struct Balance {
    /// In nanoseconds of CPU time; negative if it is ahead.
    behind: i64,
    threads: i64,
}

impl Balance {
    /// Between lanes with so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            behind: 0,
            threads: i64::try_from(threads).unwrap_or(i64::MAX).max(1),
        }
    }

    /// Takes a look into account, and says what follows.
    pub(crate) fn look(&mut self, used: Used, weights: Weights) -> Slots {
        let (short, long) = (nanos(used.short), nanos(used.long));
        // A lane where nothing waits, though something runs, has a flow at least.
        let one = usize::from(Weight::default().get());
        let own = weights.long.max(one);
        let all = own + weights.short.max(one);
        let fair = i128::from(short + long) * own as i128 / all as i128;
        let gap = i64::try_from(fair - i128::from(long)).unwrap_or(i64::MAX);
        self.behind = self.behind.saturating_add(gap).clamp(
            -nanos(MOST_AHEAD).saturating_mul(self.threads),
            nanos(MOST_BEHIND).saturating_mul(self.threads),
        );
        match self.behind {
            1.. => Slots::Fewer,
            0 => Slots::AsMany,
            _ => Slots::More,
        }
    }

    /// The long lane has nothing to do: the past is settled.
    pub(crate) fn settle(&mut self) {
        self.behind = 0;
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const EVEN: Weights = Weights {
        short: 100,
        long: 100,
    };

    fn used(short: u64, long: u64) -> Used {
        Used {
            short: Duration::from_micros(short),
            long: Duration::from_micros(long),
        }
    }

    #[test]
    fn a_flood_of_short_jobs_gives_up_slots_until_the_long_ones_have_their_part() {
        let mut balance = Balance::new(2);
        assert_eq!(balance.look(used(10_000, 0), EVEN), Slots::Fewer);
        assert_eq!(balance.look(used(5_000, 5_000), EVEN), Slots::Fewer);
        assert_eq!(balance.look(used(0, 10_000), EVEN), Slots::AsMany);
        assert_eq!(balance.look(used(4_000, 6_000), EVEN), Slots::More);
    }

    #[test]
    fn short_jobs_that_use_less_than_their_part_keep_all_slots() {
        let mut balance = Balance::new(2);
        balance.look(used(0, 50_000), EVEN);
        for _ in 0..100 {
            // A burst: both cores for the time of a look, and then nothing for two.
            assert_eq!(balance.look(used(10_000, 0), EVEN), Slots::More);
            assert_eq!(balance.look(used(0, 10_000), EVEN), Slots::More);
            assert_eq!(balance.look(used(0, 10_000), EVEN), Slots::More);
        }
    }

    #[test]
    fn parts_go_by_weight() {
        let weights = Weights {
            short: 100,
            long: 300,
        };
        let mut balance = Balance::new(2);
        assert_eq!(balance.look(used(5_000, 5_000), weights), Slots::Fewer);
        let mut balance = Balance::new(2);
        assert_eq!(balance.look(used(2_500, 7_500), weights), Slots::AsMany);
    }

    #[test]
    fn what_is_owed_is_bounded_both_ways() {
        let mut balance = Balance::new(1);
        for _ in 0..1_000 {
            balance.look(used(10_000, 0), EVEN);
        }
        let looks = (1..).find(|_| balance.look(used(0, 10_000), EVEN) != Slots::Fewer);
        assert_eq!(looks, Some(4), "20 ms at 5 ms a look");
        for _ in 0..1_000 {
            balance.look(used(0, 10_000), EVEN);
        }
        let looks = (1..).find(|_| balance.look(used(10_000, 0), EVEN) != Slots::More);
        assert_eq!(looks, Some(4));
        balance.settle();
        assert_eq!(balance.look(used(0, 0), EVEN), Slots::AsMany);
    }
}
