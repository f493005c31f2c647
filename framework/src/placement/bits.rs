//! A verdict in one word, so that threads can share it without a lock.

use super::{
    Verdict,
    rules::MOST_CLEAN_RUNS,
    verdict::{BRIM, FADE_AFTER, FIRST_RUNS, MOST_RELAPSES, Stance},
};

// Bits 0..8: which stance; 8..16: relapses; 16..24: `within` or `level`; 32..64: `clean` or `fading`.
const UNKNOWN: u8 = 0;
const LANE: u8 = 1;
const LOOP: u8 = 2;

impl Verdict {
    /// The verdict in one word, for an atomic. Zero is the default verdict.
    pub(crate) fn to_bits(self) -> u64 {
        let (stance, small, large) = match self.stance {
            Stance::Unknown { within } => (UNKNOWN, within, 0),
            Stance::Lane { clean } => (LANE, 0, clean),
            Stance::Loop { level, fading } => (LOOP, level, fading),
        };
        u64::from(stance)
            | u64::from(self.relapses) << 8
            | u64::from(small) << 16
            | u64::from(large) << 32
    }

    /// The verdict of [`to_bits`](Self::to_bits). Words that it never gives are read as the verdict that comes nearest.
    pub(crate) fn from_bits(bits: u64) -> Self {
        let [stance, relapses, small, ..] = bits.to_le_bytes();
        let large = (bits >> 32) as u32;
        let stance = match stance {
            LANE => Stance::Lane {
                clean: large.min(MOST_CLEAN_RUNS - 1),
            },
            LOOP => Stance::Loop {
                level: small.min(BRIM - 1),
                fading: large.min(FADE_AFTER - 1),
            },
            _ => Stance::Unknown {
                within: small.min(FIRST_RUNS - 1),
            },
        };
        Self {
            stance,
            relapses: relapses.min(MOST_RELAPSES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Placement;

    #[test]
    fn every_extreme_comes_back_as_it_was() {
        let stances = [
            Stance::Unknown { within: 0 },
            Stance::Unknown {
                within: FIRST_RUNS - 1,
            },
            Stance::Lane { clean: 0 },
            Stance::Lane {
                clean: MOST_CLEAN_RUNS - 1,
            },
            Stance::Loop {
                level: 0,
                fading: 0,
            },
            Stance::Loop {
                level: BRIM - 1,
                fading: FADE_AFTER - 1,
            },
        ];
        for stance in stances {
            for relapses in [0, MOST_RELAPSES] {
                let verdict = Verdict { stance, relapses };
                assert_eq!(Verdict::from_bits(verdict.to_bits()), verdict);
            }
        }
        assert_eq!(Verdict::default().to_bits(), 0);
    }

    #[test]
    fn garbage_is_read_as_something_sound() {
        let all_ones = Verdict::from_bits(u64::MAX);
        assert_eq!(all_ones.known(), None);
        let lane = Verdict::from_bits(u64::MAX << 8 | u64::from(LANE));
        assert_eq!(lane.known(), Some(Placement::Lane));
        assert_eq!(lane.relapses(), MOST_RELAPSES);
    }
}
