//! The last move of a route in two atomic words, so that an event loop that notes one never waits for a reader.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::placement::{Move, PinSource, Placement, Reason};

/// The last move of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastMove {
    /// Where from, where to and why.
    pub moved: Move,
    /// How long ago.
    pub age: Duration,
}

/// The move and its time are two words: a reader between two moves may see one's reason with the other's time.
#[derive(Debug, Default)]
pub(super) struct LastMoveCell {
    packed: AtomicU64,
    at: AtomicU64,
}

impl LastMoveCell {
    /// Notes a move that happened `at` so long after some start.
    pub(super) fn store(&self, moved: Move, at: Duration) {
        self.at.store(nanos(at), Relaxed);
        self.packed.store(pack(moved), Relaxed);
    }

    /// The move, seen from `now` after the same start.
    pub(super) fn load(&self, now: Duration) -> Option<LastMove> {
        let moved = unpack(self.packed.load(Relaxed))?;
        let at = Duration::from_nanos(self.at.load(Relaxed));
        let age = now.saturating_sub(at);
        Some(LastMove { moved, age })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What remains of a word for a reason's value: two years in nanoseconds.
const MOST: u64 = u64::MAX >> 8;

// Bit 0: from the lane; bit 1: to the lane; bits 2..8: reason, of which zero is none; bits 8..64: its value.
fn pack(moved: Move) -> u64 {
    let (kind, value) = match moved.reason {
        Reason::WithinBudget { runs } => (1, u64::from(runs)),
        Reason::OverBudget { cost } => (2, nanos(cost)),
        Reason::SlowRun { cost } => (3, nanos(cost)),
        Reason::SlowLaneRun { cost } => (4, nanos(cost)),
        Reason::RepeatedlyOverBudget { cost } => (5, nanos(cost)),
        Reason::CleanRuns { runs } => (6, u64::from(runs)),
        Reason::Pinned(PinSource::Attribute) => (7, 0),
        Reason::Pinned(PinSource::Configuration) => (8, 0),
        Reason::LoadedFromProfile => (9, 0),
        Reason::Mistaken => (10, 0),
        Reason::OwnRuns { runs } => (11, u64::from(runs)),
    };
    let bit = |placement| u64::from(placement == Placement::Lane);
    bit(moved.from) | bit(moved.to) << 1 | kind << 2 | value.min(MOST) << 8
}

fn unpack(packed: u64) -> Option<Move> {
    let value = packed >> 8;
    let cost = Duration::from_nanos(value);
    let runs = value as u32;
    let reason = match (packed >> 2) & 0x3f {
        1 => Reason::WithinBudget { runs },
        2 => Reason::OverBudget { cost },
        3 => Reason::SlowRun { cost },
        4 => Reason::SlowLaneRun { cost },
        5 => Reason::RepeatedlyOverBudget { cost },
        6 => Reason::CleanRuns { runs },
        7 => Reason::Pinned(PinSource::Attribute),
        8 => Reason::Pinned(PinSource::Configuration),
        9 => Reason::LoadedFromProfile,
        10 => Reason::Mistaken,
        11 => Reason::OwnRuns { runs },
        _ => return None,
    };
    let place = |bit: u32| {
        if packed >> bit & 1 == 1 {
            Placement::Lane
        } else {
            Placement::Loop
        }
    };
    Some(Move {
        from: place(0),
        to: place(1),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move_comes_back_as_it_was() {
        let cost = Duration::from_nanos(52_134_567);
        let reasons = [
            Reason::WithinBudget { runs: 3 },
            Reason::OverBudget { cost },
            Reason::SlowRun { cost },
            Reason::SlowLaneRun { cost },
            Reason::RepeatedlyOverBudget { cost },
            Reason::CleanRuns { runs: u32::MAX },
            Reason::Pinned(PinSource::Attribute),
            Reason::Pinned(PinSource::Configuration),
            Reason::LoadedFromProfile,
            Reason::Mistaken,
            Reason::OwnRuns { runs: 16 },
        ];
        let places = [Placement::Loop, Placement::Lane];
        for reason in reasons {
            for from in places {
                for to in places {
                    let moved = Move { from, to, reason };
                    assert_eq!(unpack(pack(moved)), Some(moved));
                }
            }
        }
    }

    #[test]
    fn a_cell_tells_how_long_ago() {
        let cell = LastMoveCell::default();
        assert_eq!(cell.load(Duration::MAX), None);
        let moved = Move {
            from: Placement::Loop,
            to: Placement::Lane,
            reason: Reason::SlowRun {
                cost: Duration::MAX,
            },
        };
        cell.store(moved, Duration::from_secs(10));
        let last = cell.load(Duration::from_secs(25)).unwrap();
        assert_eq!(last.age, Duration::from_secs(15));
        // Longer than two years is told as two years.
        assert_eq!(last.moved.cost(), Some(Duration::from_nanos(MOST)));
        assert_eq!(cell.load(Duration::ZERO).unwrap().age, Duration::ZERO);
    }
}
