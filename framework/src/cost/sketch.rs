//! Remembers the recent costs of a route in little space, so that a report can name quantiles and a peak.

use std::{fmt, time::Duration};

use crate::nanos::nanos;

/// Two buckets an octave over 26 octaves from 1 us on reach 67 s; one bucket more lies below 1 us.
const OCTAVES: usize = 26;
const BUCKETS: usize = 1 + 2 * OCTAVES;

/// When the counts sum up to this, all are halved.
const FADE_AT: u32 = 1024;

/// A run below the peak takes this part of the distance off it.
const PEAK_DECAY: u64 = 32;

/// Nanoseconds at which the buckets above 1 us begin.
const SHORTEST: u64 = 1_000;

/// The fourth root of two, by which an answer may be off.
const HALF_BUCKET: f64 = 1.189_207_115_002_721;

/// A fading histogram of costs on a logarithmic scale.
///
/// It has two buckets an octave from 1 us to 67 s. [`quantile`](Self::quantile) answers with the geometric middle of a
/// bucket, so it is at most 19 % off (a factor of the fourth root of two) between these bounds; costs below 1 us are
/// answered as 500 ns and longer ones than 67 s as about 56 s. When the counts sum up to 1,024 all of them are halved:
/// an estimate rests on the last five hundred to some thousand runs, follows a route whose cost changes, and forgets a
/// lone outlier at the next halving.
#[derive(Clone)]
pub(crate) struct CostSketch {
    counts: [u32; BUCKETS],
    /// How many runs the estimates rest on; those that faded away are not among them.
    total: u32,
    peak: u64,
    last: u64,
}

impl CostSketch {
    /// A sketch that has seen nothing.
    pub(crate) fn new() -> Self {
        Self {
            counts: [0; BUCKETS],
            total: 0,
            peak: 0,
            last: 0,
        }
    }

    /// Takes one run in.
    pub(crate) fn record(&mut self, cost: Duration) {
        self.record_weighted(cost, 1);
    }

    /// Takes one run in that stands for `weight` runs like it, of which only this one was looked at.
    ///
    /// A weight above 512 counts as 512, so that no single run makes all others forgotten.
    pub(crate) fn record_weighted(&mut self, cost: Duration, weight: u32) {
        let weight = weight.min(FADE_AT / 2);
        if weight == 0 {
            return;
        }
        let nanos = nanos(cost);
        self.last = nanos;
        if nanos >= self.peak {
            self.peak = nanos;
        } else {
            for _ in 0..weight {
                // Rounded up, so that it arrives and does not stop a few nanoseconds above.
                self.peak -= (self.peak - nanos).div_ceil(PEAK_DECAY);
            }
        }
        self.counts[bucket(nanos)] += weight;
        self.total += weight;
        if self.total >= FADE_AT {
            self.fade();
        }
    }

    /// Adds what `other` has seen, as if it had been seen before what this sketch sees next.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.total == 0 {
            return;
        }
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.peak = self.peak.max(other.peak);
        self.last = other.last;
        while self.total >= FADE_AT {
            self.fade();
        }
    }

    /// The cost that a part `q` of the recent runs did not exceed, or `None` if nothing was recorded.
    ///
    /// `q` is taken as 0 if it is below (or no number) and as 1 if it is above.
    pub(crate) fn quantile(&self, q: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let rank = (q * f64::from(self.total)).ceil() as u32;
        let rank = rank.clamp(1, self.total);
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        index.map(middle)
    }

    /// The highest of the recent costs: it jumps up to a dearer run at once, and each cheaper run takes a 32nd of
    /// the distance off it. `None` if nothing was recorded.
    pub(crate) fn peak(&self) -> Option<Duration> {
        (self.total > 0).then(|| Duration::from_nanos(self.peak))
    }

    /// The cost recorded last, exactly. `None` if nothing was recorded.
    pub(crate) fn last(&self) -> Option<Duration> {
        (self.total > 0).then(|| Duration::from_nanos(self.last))
    }

    fn fade(&mut self) {
        self.total = 0;
        for count in &mut self.counts {
            *count /= 2;
            self.total += *count;
        }
    }
}

impl Default for CostSketch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CostSketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CostSketch")
            .field("count", &self.total)
            .field("p50", &self.quantile(0.5))
            .field("peak", &self.peak())
            .finish_non_exhaustive()
    }
}

/// Bucket `1 + 2 * octave + half` begins at `1 us * 2^(octave + half / 2)`.
fn bucket(nanos: u64) -> usize {
    let Some(octave) = (nanos / SHORTEST).checked_ilog2() else {
        return 0;
    };
    let octave = octave as usize;
    if octave >= OCTAVES {
        return BUCKETS - 1;
    }
    let begin = u128::from(SHORTEST << octave);
    // `nanos >= begin * sqrt(2)` without the root.
    let upper_half = u128::from(nanos).pow(2) >= 2 * begin.pow(2);
    1 + 2 * octave + usize::from(upper_half)
}

/// The geometric middle of a bucket.
fn middle(index: usize) -> Duration {
    let Some(above) = index.checked_sub(1) else {
        return Duration::from_nanos(SHORTEST / 2);
    };
    let begin = SHORTEST as f64 * (above as f64 / 2.0).exp2();
    Duration::from_nanos((begin * HALF_BUCKET) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ns(value: u64) -> Duration {
        Duration::from_nanos(value)
    }

    /// The answer may lie off by the documented factor, plus the nanosecond that rounding takes.
    fn near(answer: Duration, truth: Duration) -> bool {
        let ratio = answer.as_nanos() as f64 / truth.as_nanos() as f64;
        (1.0 / 1.19..=1.19).contains(&ratio)
    }

    #[test]
    fn quantiles_and_the_peak_tell_a_lone_dear_run_from_the_others() {
        let mut sketch = CostSketch::new();
        for _ in 0..99 {
            sketch.record(Duration::from_micros(40));
        }
        sketch.record(Duration::from_millis(50));
        assert_eq!(sketch.total, 100);
        assert!(sketch.quantile(0.5).unwrap() < Duration::from_micros(50));
        assert!(sketch.quantile(1.0).unwrap() > Duration::from_millis(40));
        assert_eq!(sketch.peak(), Some(Duration::from_millis(50)));
    }

    #[test]
    fn an_empty_sketch_knows_nothing() {
        let mut sketch = CostSketch::new();
        sketch.record_weighted(ns(5), 0);
        assert_eq!(sketch.total, 0);
        assert_eq!(sketch.quantile(0.5), None);
        assert_eq!(sketch.peak(), None);
        assert_eq!(sketch.last(), None);
    }

    #[test]
    fn the_ends_of_the_scale_hold_everything() {
        let mut sketch = CostSketch::new();
        sketch.record(Duration::ZERO);
        assert_eq!(sketch.quantile(1.0), Some(ns(500)));
        sketch.record(Duration::MAX);
        let longest = sketch.quantile(1.0).unwrap();
        assert!(near(longest, Duration::from_secs(56)), "{longest:?}");
        assert!(sketch.quantile(f64::NAN).is_some());
        assert_eq!(sketch.quantile(-1.0), Some(ns(500)));
        assert_eq!(sketch.quantile(2.0), Some(longest));
    }

    #[test]
    fn buckets_begin_where_they_say() {
        for octave in 0..OCTAVES {
            let begin = SHORTEST << octave;
            assert_eq!(bucket(begin), 1 + 2 * octave);
            assert_eq!(bucket(begin - 1), 2 * octave);
        }
        assert_eq!(bucket(SHORTEST << OCTAVES), BUCKETS - 1);
    }

    #[test]
    fn it_follows_a_route_whose_cost_changes() {
        let mut sketch = CostSketch::new();
        for _ in 0..100_000 {
            sketch.record(Duration::from_millis(80));
        }
        for _ in 0..2 * FADE_AT {
            sketch.record(Duration::from_micros(30));
        }
        assert!(near(
            sketch.quantile(0.5).unwrap(),
            Duration::from_micros(30)
        ));
        assert_eq!(sketch.peak(), Some(Duration::from_micros(30)));
        assert!(sketch.total < FADE_AT);
    }

    #[test]
    fn a_peak_jumps_up_and_sinks() {
        let mut sketch = CostSketch::new();
        sketch.record(Duration::from_millis(100));
        let mut before = sketch.peak().unwrap();
        for _ in 0..50 {
            sketch.record(Duration::from_millis(1));
            let now = sketch.peak().unwrap();
            assert!(now < before);
            before = now;
        }
        assert!(before < Duration::from_millis(30), "{before:?}");
        sketch.record(Duration::from_millis(90));
        assert_eq!(sketch.peak(), Some(Duration::from_millis(90)));
    }

    proptest! {
        #[test]
        fn one_cost_is_answered_within_the_stated_error(cost in 1_000_u64..60_000_000_000, runs in 1..2_000) {
            let mut sketch = CostSketch::new();
            for _ in 0..runs {
                sketch.record(ns(cost));
            }
            for q in [0.0, 0.5, 0.95, 1.0] {
                prop_assert!(near(sketch.quantile(q).unwrap(), ns(cost)));
            }
            prop_assert_eq!(sketch.peak(), Some(ns(cost)));
        }

        #[test]
        fn quantiles_of_many_costs_are_near_the_true_ones(
            mut costs in prop::collection::vec(1_000_u64..60_000_000_000, 1..1_000),
            q in 0.0..=1.0_f64,
        ) {
            let mut sketch = CostSketch::new();
            for cost in &costs {
                sketch.record(ns(*cost));
            }
            costs.sort_unstable();
            let rank = ((q * costs.len() as f64).ceil() as usize).clamp(1, costs.len());
            prop_assert!(near(sketch.quantile(q).unwrap(), ns(costs[rank - 1])));
        }

        #[test]
        fn whatever_comes_the_counts_stay_bounded_and_in_order(
            runs in prop::collection::vec((any::<u64>(), any::<u32>()), 0..500),
        ) {
            let mut sketch = CostSketch::new();
            let mut double = CostSketch::new();
            for (cost, weight) in runs {
                sketch.record_weighted(ns(cost), weight);
                double.merge(&sketch);
                prop_assert!(sketch.total < FADE_AT);
                prop_assert!(double.total < FADE_AT);
                prop_assert!(sketch.quantile(0.2) <= sketch.quantile(0.9));
            }
        }
    }
}
