//! How late each event loop was during the last minute.

use std::collections::{HashMap, VecDeque};

use super::state::EventLoop;

/// How far back it goes, in seconds.
pub(crate) const SPAN: f64 = 60.0;

/// What lies further apart than this, in seconds, is a gap and not one long sample.
const GAP: f64 = 3.0;

/// The lags of all event loops.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    loops: HashMap<u64, Lags>,
}

#[derive(Clone, Debug, Default)]
struct Lags {
    samples: VecDeque<Sample>,
    /// The longest lag that the loop has told of.
    longest: f64,
}

/// The lag was up to `lag` seconds from `from` to `to`.
#[derive(Clone, Copy, Debug)]
struct Sample {
    from: f64,
    to: f64,
    lag: f64,
}

impl History {
    /// Takes what a loop says at `now`, in seconds on the monitor's clock; `every` is how often it is asked.
    pub(crate) fn record(&mut self, event_loop: &EventLoop, now: f64, every: f64) {
        let Some(lag) = event_loop.lag() else {
            return;
        };
        let lags = self.loops.entry(event_loop.event_loop).or_default();
        // What was worse than anything before, and over before we looked, was still within this interval.
        let longest = event_loop.longest_lag_seconds.unwrap_or(0.0);
        let lag = match lags.samples.is_empty() {
            false if longest > lags.longest => lag.max(longest),
            _ => lag,
        };
        lags.longest = lags.longest.max(longest);
        let before = lags.samples.back().map(|sample| sample.to);
        let from = before
            .filter(|before| now - before < GAP.max(2.5 * every))
            .unwrap_or(now);
        lags.samples.push_back(Sample { from, to: now, lag });
        while lags
            .samples
            .front()
            .is_some_and(|sample| sample.to < now - SPAN)
        {
            lags.samples.pop_front();
        }
    }

    /// The worst lag in each of `cells` equal parts of the last minute, the oldest first.
    pub(crate) fn cells(&self, event_loop: u64, now: f64, cells: usize) -> Vec<Option<f64>> {
        let mut worst = vec![None; cells];
        let Some(lags) = self.loops.get(&event_loop) else {
            return worst;
        };
        // Parts begin at multiples of their length, so that what is shown moves on and does not flicker.
        let length = SPAN / cells as f64;
        let part = |at: f64| (at / length).floor() as i64;
        let first = part(now) - cells as i64 + 1;
        for sample in &lags.samples {
            for at in part(sample.from).max(first)..=part(sample.to) {
                let cell = usize::try_from(at - first)
                    .ok()
                    .and_then(|index| worst.get_mut(index));
                if let Some(cell) = cell {
                    *cell = Some(sample.lag.max(cell.unwrap_or(0.0)));
                }
            }
        }
        worst
    }

    /// Forgets all, as after a restart of the server.
    pub(crate) fn clear(&mut self) {
        self.loops.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(seconds: f64, longest: f64) -> EventLoop {
        EventLoop {
            lag_seconds: Some(seconds),
            longest_lag_seconds: Some(longest),
            ..EventLoop::default()
        }
    }

    #[test]
    fn the_newest_is_at_the_right_and_the_worst_counts() {
        let mut history = History::default();
        history.record(&lag(0.1, 0.0), 100.0, 0.5);
        history.record(&lag(0.3, 0.0), 100.4, 0.5);
        history.record(&lag(0.2, 0.0), 101.2, 0.5);
        let cells = history.cells(0, 101.2, 60);
        assert_eq!(cells.len(), 60);
        assert_eq!(cells[57..], [None, Some(0.3), Some(0.2)]);
        assert_eq!(
            history.cells(1, 101.2, 4),
            [None; 4],
            "of a loop that is not known"
        );
    }

    #[test]
    fn what_was_over_before_we_looked_is_not_missed() {
        let mut history = History::default();
        history.record(&lag(0.001, 0.9), 10.0, 0.5);
        assert_eq!(
            history.cells(0, 10.0, 60)[59],
            Some(0.001),
            "the 0.9 are from before we came"
        );
        history.record(&lag(0.001, 1.5), 11.0, 0.5);
        assert_eq!(history.cells(0, 11.0, 60)[59], Some(1.5));
        history.record(&lag(0.001, 1.5), 12.0, 0.5);
        history.record(&lag(0.001, 1.5), 13.0, 0.5);
        assert_eq!(history.cells(0, 13.0, 60)[59], Some(0.001));
    }

    #[test]
    fn slow_looks_leave_no_holes_and_silence_does() {
        let mut history = History::default();
        history.record(&lag(0.1, 0.0), 100.0, 2.0);
        history.record(&lag(0.2, 0.0), 102.0, 2.0);
        history.record(&lag(0.3, 0.0), 112.0, 2.0);
        let cells = history.cells(0, 112.0, 60);
        assert_eq!(cells[47..51], [Some(0.2), Some(0.2), Some(0.2), None]);
        assert_eq!(cells[58..], [None, Some(0.3)]);
    }

    #[test]
    fn it_keeps_a_minute() {
        let mut history = History::default();
        for second in 0..1_000 {
            history.record(&lag(0.1, 0.0), f64::from(second), 1.0);
        }
        assert!(history.loops[&0].samples.len() <= 61);
        assert!(history.cells(0, 999.0, 7).iter().all(Option::is_some));
        assert_eq!(history.cells(0, 999.0, 0), []);
        history.clear();
        assert_eq!(history.cells(0, 999.0, 1), [None]);
    }
}
