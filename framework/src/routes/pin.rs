//! A route's pin in one atomic byte, so that looking at it is one relaxed load.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::placement::{PinSource, Placement};

/// Where a route is pinned to and by whom; zero is no pin.
#[derive(Debug, Default)]
pub(super) struct Pin(AtomicU8);

impl Pin {
    pub(super) fn load(&self) -> Option<(Placement, PinSource)> {
        decode(self.0.load(Relaxed))
    }

    /// Pins to `placement` unless a stronger source has pinned already; returns whether that changed anything.
    pub(super) fn set(&self, placement: Placement, source: PinSource) -> bool {
        let wanted = (placement, source);
        self.0
            .fetch_update(Relaxed, Relaxed, |code| match decode(code) {
                Some(pinned) if pinned == wanted || pinned.1 > source => None,
                _ => Some(encode(wanted)),
            })
            .is_ok()
    }

    /// Takes a pin of that source away.
    pub(super) fn clear(&self, source: PinSource) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |code| {
            decode(code)
                .is_some_and(|pinned| pinned.1 == source)
                .then_some(0)
        });
    }
}

fn encode((placement, source): (Placement, PinSource)) -> u8 {
    match (source, placement) {
        (PinSource::Attribute, Placement::Loop) => 1,
        (PinSource::Attribute, Placement::Lane) => 2,
        (PinSource::Configuration, Placement::Loop) => 3,
        (PinSource::Configuration, Placement::Lane) => 4,
    }
}

fn decode(code: u8) -> Option<(Placement, PinSource)> {
    Some(match code {
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
}
