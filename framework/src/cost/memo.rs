//! Remembers what this very request cost, so that one route whose cost depends on its query is predicted apart.

use std::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const WAYS: usize = 4;
const SETS: usize = 1024;

/// What was found by the tag of a key among the four places that it may have.
///
/// A place is one word: 40 bits of the key, 16 of the cost, 8 of how often it was met lately. Zero is an empty place.
#[derive(Clone, Copy)]
struct Place(u64);

/// Costs of 4,096 kinds of jobs by a 64-bit key, in 32 KiB.
///
/// A key that is met often stays; a flood of keys that are met once replaces only each other, because a newcomer first
/// takes a bit off the standing of the least known in its set of four, and takes that one's place when nothing is left.
/// Two keys are taken for the same if 50 bits of them are, so keys should come from a keyed hash.
///
/// It has no locks. Of two threads that write to the same place at a time, one may lose its sample.
pub(crate) struct CostMemo {
    places: Box<[AtomicU64]>,
    doubts: AtomicU32,
}

impl CostMemo {
    /// What such a job will probably cost: a moving average that goes up fast and down slowly.
    pub(crate) fn predict(&self, key: u64) -> Option<Duration> {
        let set = self.set(key);
        let found = set.iter().map(|place| Place(place.load(Relaxed)));
        found
            .into_iter()
            .find(|place| place.is_of(key))
            .map(Place::cost)
    }

    /// Takes in what such a job has cost.
    pub(crate) fn record(&self, key: u64, cost: Duration) {
        self.update(key, |old| match old {
            Some(old) if cost < old => old - (old - cost) / 8,
            Some(old) => old + (cost - old) / 2,
            None => cost,
        });
    }

    /// Takes in that such a job costs at least so much, because one has and is not at its end.
    pub(crate) fn at_least(&self, key: u64, cost: Duration) {
        self.update(key, |old| old.map_or(cost, |old| old.max(cost)));
    }

    /// Takes in that such a job was refused, so that nothing was learned of it.
    ///
    /// What is only ever refused, because it was once found dear, would otherwise stay dear for ever. So each eighth refusal
    /// takes a 32nd off what is remembered; runs put that right again.
    pub(crate) fn doubt(&self, key: u64) {
        if self.predict(key).is_some() && self.doubts.fetch_add(1, Relaxed).is_multiple_of(8) {
            self.update(key, |old| old.map_or(Duration::ZERO, |old| old - old / 32));
        }
    }

    fn update(&self, key: u64, next: impl Fn(Option<Duration>) -> Duration) {
        let set = self.set(key);
        let mut least = (u64::MAX, 0);
        for (at, place) in set.iter().enumerate() {
            let found = Place(place.load(Relaxed));
            if found.is_of(key) {
                let standing = found.standing().saturating_add(1);
                let updated = Place::new(key, next(Some(found.cost())), standing);
                place.store(updated.0, Relaxed);
                return;
            }
            least = least.min((u64::from(found.standing()), at));
        }
        let place = &set[least.1];
        let found = Place(place.load(Relaxed));
        let stored = match found.standing().checked_sub(1) {
            Some(standing) => Place::new(found.tag_as_key(), found.cost(), standing),
            None => Place::new(key, next(None), 1),
        };
        place.store(stored.0, Relaxed);
        // Nobody stands in the way of a first-comer but the standing of others, so a second look settles it.
        if stored.standing() == 0 {
            place.store(Place::new(key, next(None), 1).0, Relaxed);
        }
    }

    fn set(&self, key: u64) -> &[AtomicU64] {
        // The upper bits are in the tag.
        let at = (key as usize % SETS) * WAYS;
        &self.places[at..at + WAYS]
    }
}

impl Place {
    fn new(key: u64, cost: Duration, standing: u8) -> Self {
        let nanos = cost.as_nanos().clamp(1, u128::from(u64::MAX)) as f32;
        // The upper half of an f32 has 8 significant bits, so the cost is at most 0.8 % off. Rounded up, so that an
        // average moves.
        let cost = (nanos.to_bits() >> 16) + u32::from(nanos.to_bits() & 0xFFFF != 0);
        let tag = key >> 24 << 24;
        Self(tag | u64::from(cost) << 8 | u64::from(standing))
    }

    fn is_of(self, key: u64) -> bool {
        self.0 != 0 && self.0 >> 24 == key >> 24
    }

    fn cost(self) -> Duration {
        let bits = ((self.0 >> 8) as u32 & 0xFFFF) << 16;
        Duration::from_nanos(f32::from_bits(bits) as u64)
    }

    fn standing(self) -> u8 {
        (self.0 & 0xFF) as u8
    }

    fn tag_as_key(self) -> u64 {
        self.0 >> 24 << 24
    }
}

impl Default for CostMemo {
    fn default() -> Self {
        let places = std::iter::repeat_with(AtomicU64::default);
        Self {
            places: places.take(SETS * WAYS).collect(),
            doubts: AtomicU32::new(0),
        }
    }
}

impl fmt::Debug for CostMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CostMemo").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    fn near(one: Duration, other: Duration) -> bool {
        let ratio = one.as_secs_f64() / other.as_secs_f64();
        (0.9..1.1).contains(&ratio)
    }

    #[test]
    fn two_queries_of_one_route_are_told_apart() {
        let (memo, keys) = (CostMemo::default(), RandomState::new());
        let (cheap, dear) = (keys.hash_one("ms=5"), keys.hash_one("ms=500"));
        assert_eq!(memo.predict(cheap), None);
        for _ in 0..3 {
            memo.record(cheap, Duration::from_millis(5));
            memo.record(dear, Duration::from_millis(500));
        }
        assert!(near(memo.predict(cheap).unwrap(), Duration::from_millis(5)));
        assert!(near(
            memo.predict(dear).unwrap(),
            Duration::from_millis(500)
        ));
    }

    #[test]
    fn it_goes_up_fast_and_down_slowly() {
        let memo = CostMemo::default();
        memo.record(7 << 30, Duration::from_millis(1));
        memo.at_least(7 << 30, Duration::from_millis(20));
        assert!(near(
            memo.predict(7 << 30).unwrap(),
            Duration::from_millis(20)
        ));
        memo.at_least(7 << 30, Duration::from_millis(2));
        assert!(near(
            memo.predict(7 << 30).unwrap(),
            Duration::from_millis(20)
        ));
        memo.record(7 << 30, Duration::from_millis(100));
        assert!(near(
            memo.predict(7 << 30).unwrap(),
            Duration::from_millis(60)
        ));
        memo.record(7 << 30, Duration::from_millis(20));
        assert!(memo.predict(7 << 30).unwrap() > Duration::from_millis(50));
        for _ in 0..100 {
            memo.record(7 << 30, Duration::from_millis(20));
        }
        assert!(near(
            memo.predict(7 << 30).unwrap(),
            Duration::from_millis(20)
        ));
    }

    #[test]
    fn what_is_only_refused_is_doubted_until_it_is_tried_again() {
        let memo = CostMemo::default();
        memo.record(5 << 30, Duration::from_millis(500));
        let mut refusals = 0;
        while memo.predict(5 << 30).unwrap() > Duration::from_millis(10) {
            memo.doubt(5 << 30);
            refusals += 1;
            assert!(refusals < 10_000);
        }
        assert!(refusals > 500, "{refusals}");
        memo.doubt(6 << 30);
        assert_eq!(memo.predict(6 << 30), None, "nothing is known of it");
    }

    #[test]
    fn a_flood_of_strangers_does_not_push_out_the_well_known() {
        let (memo, keys) = (CostMemo::default(), RandomState::new());
        let known: Vec<u64> = (0..500).map(|n| keys.hash_one(("known", n))).collect();
        let mut stranger = 0_u64;
        for _ in 0..40 {
            for &key in &known {
                memo.record(key, Duration::from_millis(3));
                stranger += 1;
                memo.record(
                    keys.hash_one(("stranger", stranger)),
                    Duration::from_secs(1),
                );
            }
        }
        let kept = known.iter().filter(|key| memo.predict(**key).is_some());
        assert!(kept.count() > 450);
    }

    #[test]
    fn a_newcomer_to_a_full_set_gets_in_after_a_while() {
        let memo = CostMemo::default();
        for n in 1..=4_u64 {
            memo.record(n << 32, Duration::from_millis(n));
        }
        let newcomer = 9 << 32;
        for _ in 0..3 {
            memo.record(newcomer, Duration::from_millis(9));
        }
        assert!(near(
            memo.predict(newcomer).unwrap(),
            Duration::from_millis(9)
        ));
    }

    #[test]
    fn threads_that_write_at_once_lose_samples_and_mix_nothing_up() {
        let (memo, keys) = (CostMemo::default(), RandomState::new());
        let kinds: Vec<u64> = (1..=64).map(|n| keys.hash_one(n)).collect();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (memo, kinds, keys) = (&memo, &kinds, &keys);
                scope.spawn(move || {
                    for n in 0..20_000 {
                        let at = (n * 7 + thread) % kinds.len();
                        let cost = Duration::from_millis(at as u64 + 1);
                        memo.record(kinds[at], cost);
                        memo.record(keys.hash_one((thread, n)), Duration::from_secs(9));
                        let predicted = memo.predict(kinds[at]);
                        assert!(predicted.is_none_or(|found| near(found, cost)));
                    }
                });
            }
        });
        let known = kinds.iter().filter(|key| memo.predict(**key).is_some());
        assert!(known.count() > 60);
    }

    proptest! {
        #[test]
        fn a_cost_comes_back_as_it_went_in(key in 1_u64.., nanos in 1..1_000_000_000_000_u64) {
            let memo = CostMemo::default();
            let cost = Duration::from_nanos(nanos);
            memo.record(key, cost);
            let back = memo.predict(key).unwrap();
            prop_assert!(back >= cost / 100 * 99 && back <= cost / 100 * 101 + Duration::from_nanos(2));
        }
    }
}
