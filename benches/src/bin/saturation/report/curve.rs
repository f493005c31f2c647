//! Curves: what a table of a few quantiles cannot show, for the files and the plots.

use std::time::Instant;

use serde::Serialize;

use crate::client::{record::Record, records::Records};

/// What the points of a curve are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Over {
    /// One of so many requests was slower: 100 is p99.
    OneOf,
    /// Seconds from the beginning.
    Seconds,
    /// The heavy load, as a multiple of the capacity.
    Load,
}

/// Latencies in milliseconds over something.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Curve {
    pub(crate) over: Over,
    pub(crate) points: Vec<(f64, f64)>,
    /// From when to when there was heavy load, in seconds.
    pub(crate) heavy: Option<(f64, f64)>,
}

/// Points of a curve over a quarter of a second each.
const STEP: f64 = 0.25;

impl Curve {
    /// Latency by percentile, as far as there are enough records to say.
    pub(crate) fn percentiles(records: &[Record]) -> Self {
        let latencies = Records(records).latencies();
        let most = records.len() as f64;
        // Eight steps for each factor of ten.
        let one_of = (0..).map(|step| 10_f64.powf(f64::from(step) / 8.0));
        let points = one_of
            .take_while(|one_of| *one_of <= most)
            .map(|one_of| (one_of, latencies.ms(1.0 - 1.0 / one_of)))
            .collect();
        Self {
            over: Over::OneOf,
            points,
            heavy: None,
        }
    }

    /// The greatest latency of those that were due in each step from `start` on.
    pub(crate) fn over_time(records: &[Record], start: Instant, heavy: (f64, f64)) -> Self {
        let mut greatest: Vec<f64> = Vec::new();
        for record in records {
            let due = record.due.saturating_duration_since(start).as_secs_f64();
            let step = (due / STEP) as usize;
            if greatest.len() <= step {
                greatest.resize(step + 1, 0.0);
            }
            let latency = record.done.saturating_duration_since(record.due);
            greatest[step] = greatest[step].max(latency.as_secs_f64() * 1e3);
        }
        let points = greatest.into_iter().enumerate();
        Self {
            over: Over::Seconds,
            points: points
                .filter(|(_, latency)| *latency > 0.0)
                .map(|(step, latency)| (step as f64 * STEP, latency))
                .collect(),
            heavy: Some(heavy),
        }
    }

    /// Latencies over the load.
    pub(crate) fn over_load(points: Vec<(f64, f64)>) -> Self {
        Self {
            over: Over::Load,
            points,
            heavy: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::record::{Outcome, Refusal};

    fn record(start: Instant, due_ms: u64, took_ms: u64) -> Record {
        let due = start + Duration::from_millis(due_ms);
        Record {
            due,
            sent: Some(due),
            done: due + Duration::from_millis(took_ms),
            outcome: Outcome::Answered {
                status: 200,
                refusal: Refusal::No,
            },
        }
    }

    #[test]
    fn percentiles_rise_to_the_slowest_but_no_further_than_there_are_records() {
        let start = Instant::now();
        let records: Vec<Record> = (1..=100).map(|ms| record(start, 0, ms)).collect();
        let curve = Curve::percentiles(&records);
        assert!(curve.points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        let (one_of, latency) = *curve.points.last().expect("points");
        assert!(one_of <= 100.0 && latency >= 99.0, "{one_of} {latency}");
    }

    #[test]
    fn each_step_of_time_shows_its_slowest() {
        let start = Instant::now();
        let records = [(0, 1), (100, 7), (300, 2), (900, 3)];
        let records = records.map(|(due, took)| record(start, due, took));
        let curve = Curve::over_time(&records, start, (0.2, 0.5));
        assert_eq!(curve.points, [(0.0, 7.0), (0.25, 2.0), (0.75, 3.0)]);
    }
}
