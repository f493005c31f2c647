//! When the requests of an open loop are due, the same for every alternative.

use std::time::Duration;

/// Offsets from the start at which `rate` requests a second are due, evenly spaced.
pub(crate) fn even(rate: f64, time: Duration) -> Vec<Duration> {
    let count = (rate * time.as_secs_f64()) as u32;
    (0..count)
        .map(|number| Duration::from_secs_f64(f64::from(number) / rate))
        .collect()
}

/// Offsets of independent arrivals, `rate` a second on average.
pub(crate) fn poisson(rate: f64, time: Duration, seed: u64) -> Vec<Duration> {
    let mut random = SplitMix(seed);
    let (mut at, end) = (0.0, time.as_secs_f64());
    let gap = move || {
        // 1 - u lies in (0, 1], whose logarithm is finite.
        at -= (1.0 - random.unit()).ln() / rate;
        at
    };
    std::iter::repeat_with(gap)
        .take_while(|&at| at < end)
        .map(Duration::from_secs_f64)
        .collect()
}

/// Steele, Lea and Flood's SplitMix64: a few lines that give the same numbers in every release of every crate.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_arrivals_are_evenly_spaced() {
        let due = even(400.0, Duration::from_secs(2));
        assert_eq!(due.len(), 800);
        assert_eq!(due[400], Duration::from_secs(1));
    }

    #[test]
    fn poisson_arrivals_have_their_rate_and_repeat_with_their_seed() {
        let time = Duration::from_secs(100);
        let due = poisson(100.0, time, 7);
        assert!((9_500..10_500).contains(&due.len()), "{}", due.len());
        assert!(due.is_sorted());
        assert!(due.last().is_some_and(|last| *last < time));
        assert_eq!(due, poisson(100.0, time, 7));
        assert_ne!(due, poisson(100.0, time, 8));
    }
}
