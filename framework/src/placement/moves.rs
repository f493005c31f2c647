//! Why a route runs where it runs, in words that a report or a log line can show.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::Placement;

/// A route has been given a place.
///
/// `from` and `to` are the same where a first judgement confirms the place that an unknown route had anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// Where it ran until now.
    pub(crate) from: Placement,
    /// Where it runs from now on.
    pub(crate) to: Placement,
    /// Why.
    pub(crate) reason: Reason,
}

impl Move {
    /// Whether the route runs somewhere else than before.
    pub(crate) fn changes_place(&self) -> bool {
        self.from != self.to
    }
}

/// Why a route was given its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Reason {
    /// An unknown route stayed within the budget so many times in a row.
    WithinBudget {
        /// How many runs it took.
        runs: u32,
    },
    /// An unknown route went over the budget.
    OverBudget {
        /// What the run cost.
        cost: Duration,
    },
    /// One run on the event loop was so slow that no second one is risked.
    SlowRun {
        /// What the run cost.
        cost: Duration,
    },
    /// A slow run on a lane of a route that belonged on the loop.
    SlowLaneRun {
        /// What the run cost.
        cost: Duration,
    },
    /// Too many of the recent runs were over the budget.
    RepeatedlyOverBudget {
        /// What the last of them cost.
        cost: Duration,
    },
    /// A route that was heavy has been light for long enough.
    CleanRuns {
        /// How many clean runs it took.
        runs: u32,
    },
    /// Somebody said so.
    Pinned(PinSource),
    /// An earlier process learned it.
    LoadedFromProfile,
    /// A request that looked like one of its own was another route's, which belongs on a lane.
    Mistaken,
    /// So many requests in a row that looked like its own were.
    OwnRuns {
        /// How many it took.
        runs: u32,
    },
}

impl Reason {
    /// All reasons in a word each, as metrics name them.
    pub(crate) const WORDS: [&str; 11] = [
        "within_budget",
        "over_budget",
        "slow_run",
        "slow_lane_run",
        "repeatedly_over_budget",
        "clean_runs",
        "attribute",
        "configuration",
        "profile",
        "mistaken",
        "own_runs",
    ];

    /// Where its word is among [`WORDS`](Self::WORDS).
    pub(crate) fn index(&self) -> usize {
        match self {
            Self::WithinBudget { .. } => 0,
            Self::OverBudget { .. } => 1,
            Self::SlowRun { .. } => 2,
            Self::SlowLaneRun { .. } => 3,
            Self::RepeatedlyOverBudget { .. } => 4,
            Self::CleanRuns { .. } => 5,
            Self::Pinned(PinSource::Attribute) => 6,
            Self::Pinned(PinSource::Configuration) => 7,
            Self::LoadedFromProfile => 8,
            Self::Mistaken => 9,
            Self::OwnRuns { .. } => 10,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithinBudget { runs } => write!(f, "first {runs} runs within budget"),
            Self::OverBudget { cost } => write!(f, "first run over budget: {cost:.1?}"),
            Self::SlowRun { cost } => write!(f, "slow run of {cost:.1?} on the event loop"),
            Self::SlowLaneRun { cost } => write!(f, "slow run of {cost:.1?} on a lane"),
            Self::RepeatedlyOverBudget { cost } => {
                write!(f, "repeatedly over budget, last {cost:.1?}")
            }
            Self::CleanRuns { runs } => write!(f, "{runs} clean runs"),
            Self::Pinned(source) => write!(f, "pinned by {source}"),
            Self::LoadedFromProfile => f.write_str("loaded from profile"),
            Self::Mistaken => f.write_str("another route's request looked like its own"),
            Self::OwnRuns { runs } => write!(f, "{runs} requests in a row were its own"),
        }
    }
}

/// Who pinned a route to its place. Later ones win over earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PinSource {
    /// An `#[offload]` handler was met behind it.
    Attribute,
    /// The application's settings name it.
    Configuration,
}

impl fmt::Display for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attribute => "#[offload]",
            Self::Configuration => "configuration",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_well() {
        let cost = Duration::from_nanos(52_134_567);
        let table = [
            (
                Reason::WithinBudget { runs: 3 },
                "first 3 runs within budget",
            ),
            (Reason::OverBudget { cost }, "first run over budget: 52.1ms"),
            (
                Reason::SlowRun { cost },
                "slow run of 52.1ms on the event loop",
            ),
            (Reason::SlowLaneRun { cost }, "slow run of 52.1ms on a lane"),
            (
                Reason::RepeatedlyOverBudget { cost },
                "repeatedly over budget, last 52.1ms",
            ),
            (Reason::CleanRuns { runs: 32 }, "32 clean runs"),
            (Reason::Pinned(PinSource::Attribute), "pinned by #[offload]"),
            (
                Reason::Pinned(PinSource::Configuration),
                "pinned by configuration",
            ),
            (Reason::LoadedFromProfile, "loaded from profile"),
            (
                Reason::Mistaken,
                "another route's request looked like its own",
            ),
            (
                Reason::OwnRuns { runs: 16 },
                "16 requests in a row were its own",
            ),
        ];
        for (reason, text) in table {
            assert_eq!(reason.to_string(), text);
        }
    }
}
