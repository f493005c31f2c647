//! A route's pin, and the doubt whether what looks like it is it, in one atomic word: looking at both is one relaxed load.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::placement::{PinSource, Placement};

/// So many requests of its own in a row dispel the first doubt.
const FIRST: u32 = 16;

/// Each further doubt takes four times as many as the one before, up to the fifth.
const MOST_TIMES: u32 = 5;

/// Bits 0..8 are where a route is pinned to and by whom, bits 8..12 how often it came in doubt, bits 12..32 how many requests
/// of its own are missing until it is in doubt no more.
#[derive(Debug, Default)]
pub(super) struct Pin(AtomicU32);

const TIMES: u32 = 8;
const LEFT: u32 = 12;
const PINNED: u32 = (1 << TIMES) - 1;

impl Pin {
    /// Where it runs by pin or by doubt, if either says anything.
    #[inline]
    pub(super) fn place(&self) -> Option<Placement> {
        match self.0.load(Relaxed) {
            0 => None,
            doubt if doubt >> LEFT > 0 => Some(Placement::Lane),
            word => decode(word).map(|(placement, _)| placement),
        }
    }

    pub(super) fn load(&self) -> Option<(Placement, PinSource)> {
        decode(self.0.load(Relaxed))
    }

    /// Pins to `placement` unless a stronger source has pinned already; returns whether that changed anything.
    pub(super) fn set(&self, placement: Placement, source: PinSource) -> bool {
        let wanted = (placement, source);
        self.0
            .fetch_update(Relaxed, Relaxed, |word| match decode(word) {
                Some(pinned) if pinned == wanted || pinned.1 > source => None,
                _ => Some(word & !PINNED | encode(wanted)),
            })
            .is_ok()
    }

    /// Takes a pin of that source away.
    pub(super) fn clear(&self, source: PinSource) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |word| {
            decode(word)
                .is_some_and(|pinned| pinned.1 == source)
                .then_some(word & !PINNED)
        });
    }

    /// Puts the route in doubt; returns whether it was not.
    pub(super) fn doubt(&self) -> bool {
        let doubted = |word: u32| {
            let times = match word >> LEFT {
                0 => (times(word) + 1).min(MOST_TIMES),
                _ => times(word),
            };
            word & PINNED | times << TIMES | needed(times) << LEFT
        };
        let update = self
            .0
            .fetch_update(Relaxed, Relaxed, |word| Some(doubted(word)));
        update.is_ok_and(|before| before >> LEFT == 0)
    }

    /// Counts a request of its own; returns how many it took if this was the last that was missing.
    pub(super) fn confirm(&self) -> Option<u32> {
        if self.0.load(Relaxed) >> LEFT == 0 {
            return None;
        }
        let fewer = |word: u32| (word >> LEFT > 0).then(|| word - (1 << LEFT));
        let before = self.0.fetch_update(Relaxed, Relaxed, fewer).ok()?;
        (before >> LEFT == 1).then(|| needed(times(before)))
    }
}

fn times(word: u32) -> u32 {
    word >> TIMES & 0xf
}

fn needed(times: u32) -> u32 {
    FIRST << (2 * times.saturating_sub(1))
}

fn encode((placement, source): (Placement, PinSource)) -> u32 {
    match (source, placement) {
        (PinSource::Attribute, Placement::Loop) => 1,
        (PinSource::Attribute, Placement::Lane) => 2,
        (PinSource::Configuration, Placement::Loop) => 3,
        (PinSource::Configuration, Placement::Lane) => 4,
    }
}

fn decode(word: u32) -> Option<(Placement, PinSource)> {
    Some(match word & PINNED {
        1 => (Placement::Loop, PinSource::Attribute),
        2 => (Placement::Lane, PinSource::Attribute),
        3 => (Placement::Loop, PinSource::Configuration),
        4 => (Placement::Lane, PinSource::Configuration),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_wins_whoever_comes_first() {
        let pin = Pin::default();
        assert_eq!(pin.load(), None);
        assert!(pin.set(Placement::Lane, PinSource::Attribute));
        assert!(!pin.set(Placement::Lane, PinSource::Attribute), "no news");
        assert!(pin.set(Placement::Loop, PinSource::Configuration));
        assert!(!pin.set(Placement::Lane, PinSource::Attribute));
        assert_eq!(
            pin.load(),
            Some((Placement::Loop, PinSource::Configuration))
        );
        assert!(pin.set(Placement::Lane, PinSource::Configuration));
        let pinned = Some((Placement::Lane, PinSource::Configuration));
        assert_eq!(pin.load(), pinned);
        pin.clear(PinSource::Attribute);
        assert_eq!(pin.load(), pinned);
        pin.clear(PinSource::Configuration);
        assert_eq!(pin.load(), None);
    }

    #[test]
    fn doubt_beats_a_pin_until_enough_requests_in_a_row_were_its_own() {
        let pin = Pin::default();
        assert!(pin.set(Placement::Loop, PinSource::Configuration));
        for needed in [16, 64, 256, 1024, 4096, 4096] {
            assert_eq!(pin.place(), Some(Placement::Loop));
            assert!(pin.doubt());
            assert_eq!(pin.confirm(), None);
            assert!(!pin.doubt(), "it is in doubt already, and begins anew");
            for _ in 1..needed {
                assert_eq!(pin.confirm(), None);
                assert_eq!(pin.place(), Some(Placement::Lane));
            }
            assert_eq!(pin.confirm(), Some(needed));
            assert_eq!(pin.confirm(), None, "there is nothing left to confirm");
        }
        assert_eq!(
            pin.load(),
            Some((Placement::Loop, PinSource::Configuration)),
            "the pin is what it was"
        );
    }
}
