//! The settings of the cost model: what is cheap, what is slow, and how much proof it takes.

use std::{fmt, num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

/// Where a request runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// On the event loop that received it.
    Loop,
    /// On a lane.
    Lane,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loop => "loop",
            Self::Lane => "lane",
        })
    }
}

/// Who decides where requests run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The cost model, from what it measures.
    #[default]
    Learned,
    /// Nobody: everything runs on a lane.
    AlwaysLane,
    /// Nobody: everything runs on its event loop.
    AlwaysLoop,
}

/// The settings of the cost model.
///
/// # Examples
///
/// ```
/// use offload_core::placement::Rules;
/// use std::time::Duration;
///
/// let rules = Rules { budget: Duration::from_micros(200), ..Rules::default() };
/// assert!(rules.is_slow(Duration::from_millis(50)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The cost up to which a request may stay on the event loop. Default: 100 us, about the price of a hop to a
    /// sleeping lane and back.
    pub budget: Duration,
    /// Who decides. Default: [`Policy::Learned`].
    pub policy: Policy,
    /// Where a route runs of which nothing is known yet. Default: [`Placement::Lane`], so that not even the first
    /// request to a heavy route freezes an event loop.
    pub unknown: Placement,
    /// At how many times the budget one run on the event loop is enough to send its route to the lane. Default: 8.
    pub slow_factor: NonZeroU32,
    /// How many clean runs in a row a route that was heavy needs to get to the event loop; each relapse multiplies it
    /// by four. Default: 8.
    pub clean_runs: NonZeroU32,
}

/// What one run says about its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    /// At most four fifths of the budget.
    Clean,
    /// Within the budget, but too near to its edge to prove anything.
    Edge,
    /// Over the budget; an interrupt or a cold cache may do that to a light route now and then.
    Over,
    /// At least [`Rules::slow_factor`] budgets: no accident.
    Slow,
}

/// However often a route relapsed, so many clean runs in a row bring it back to the loop.
pub(super) const MOST_CLEAN_RUNS: u32 = 1 << 20;

impl Rules {
    /// Whether one run of that cost on the event loop is enough to send its route to the lane.
    #[must_use]
    pub fn is_slow(&self, cost: Duration) -> bool {
        self.grade(cost) == Grade::Slow
    }

    /// Grades the cost of one run.
    pub(crate) fn grade(&self, cost: Duration) -> Grade {
        if cost <= self.budget {
            if cost <= self.clean_limit() {
                Grade::Clean
            } else {
                Grade::Edge
            }
        } else if cost >= self.budget.saturating_mul(self.slow_factor.get()) {
            Grade::Slow
        } else {
            Grade::Over
        }
    }

    /// The most that a [`Grade::Clean`] run costs.
    pub(crate) fn clean_limit(&self) -> Duration {
        // Whole numbers of a fifth of the budget, rounded down: exact enough, and nothing overflows.
        (self.budget / 5) * 4
    }

    /// The clean runs in a row that lead from the lane to the loop after so many relapses.
    ///
    /// It is [`clean_runs`](Self::clean_runs) times four to the power of `relapses`, but no more than 1,048,576.
    pub(crate) fn clean_runs_after(&self, relapses: u8) -> u32 {
        4_u32
            .saturating_pow(u32::from(relapses))
            .saturating_mul(self.clean_runs.get())
            .min(MOST_CLEAN_RUNS)
    }
}

impl Default for Rules {
    fn default() -> Self {
        const EIGHT: NonZeroU32 = NonZeroU32::new(8).unwrap();
        Self {
            budget: Duration::from_micros(100),
            policy: Policy::Learned,
            unknown: Placement::Lane,
            slow_factor: EIGHT,
            clean_runs: EIGHT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_change_where_they_say() {
        let rules = Rules::default();
        let table = [
            (0, Grade::Clean),
            (80_000, Grade::Clean),
            (80_001, Grade::Edge),
            (100_000, Grade::Edge),
            (100_001, Grade::Over),
            (799_999, Grade::Over),
            (800_000, Grade::Slow),
            (u64::MAX, Grade::Slow),
        ];
        for (nanos, grade) in table {
            assert_eq!(rules.grade(Duration::from_nanos(nanos)), grade, "{nanos}");
        }
    }

    #[test]
    fn extreme_budgets_are_no_accident() {
        let none = Rules {
            budget: Duration::ZERO,
            ..Rules::default()
        };
        assert_eq!(none.grade(Duration::ZERO), Grade::Clean);
        assert_eq!(none.grade(Duration::from_nanos(1)), Grade::Slow);
        let endless = Rules {
            budget: Duration::MAX,
            ..Rules::default()
        };
        assert_eq!(endless.grade(Duration::from_secs(60)), Grade::Clean);
        assert_eq!(endless.grade(Duration::MAX), Grade::Edge);
    }

    #[test]
    fn each_relapse_quadruples_the_way_back_up_to_a_cap() {
        let rules = Rules::default();
        assert_eq!(rules.clean_runs_after(0), 8);
        assert_eq!(rules.clean_runs_after(1), 32);
        assert_eq!(rules.clean_runs_after(8), 8 << 16);
        assert_eq!(rules.clean_runs_after(9), 1 << 20);
        assert_eq!(rules.clean_runs_after(u8::MAX), 1 << 20);
    }
}
