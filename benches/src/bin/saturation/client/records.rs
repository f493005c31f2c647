//! What the records of a flow say: latencies, rates, and whether every request is accounted for.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::record::{Failure, Outcome, Record, Refusal};

/// The records of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'a>(pub(crate) &'a [Record]);

impl Records<'_> {
    /// How many ended with this status.
    pub(crate) fn status(self, status: u16) -> f64 {
        let with = |record: &Record| record.has_status(status);
        self.count(with)
    }

    /// When the last answer with this status was there.
    pub(crate) fn last_of(self, status: u16) -> Option<Instant> {
        let with = |record: &&Record| record.has_status(status);
        self.0.iter().filter(with).map(|record| record.done).max()
    }

    /// How many failed: nothing that the client did explains that they have no answer.
    pub(crate) fn lost(self) -> f64 {
        self.count(|record| matches!(record.outcome, Outcome::Failed(_)))
    }

    /// How many had no answer yet when the flow ended and the client gave up.
    pub(crate) fn unanswered(self) -> f64 {
        self.count(|record| record.outcome == Outcome::Unanswered)
    }

    /// How many failed in this way.
    pub(crate) fn failed(self, failure: Failure) -> f64 {
        self.count(|record| record.outcome == Outcome::Failed(failure))
    }

    /// How many were never sent.
    pub(crate) fn not_sent(self) -> f64 {
        self.count(|record| record.outcome == Outcome::NotSent)
    }

    /// How many refusals lack `Retry-After` or a JSON body.
    pub(crate) fn improper_refusals(self) -> f64 {
        let improper = Refusal::Improper;
        self.count(|record| matches!(record.outcome, Outcome::Answered { refusal, .. } if refusal == improper))
    }

    /// Answers 200 a second that were complete within `time` from `start`.
    pub(crate) fn goodput(self, start: Instant, time: Duration) -> f64 {
        let good = |record: &Record| record.has_status(200) && record.done <= start + time;
        self.count(good) / time.as_secs_f64()
    }

    /// The latencies from when requests were due. A request without an answer counts with the time that it waited in
    /// vain, which is less than it would have waited: leaving it out would flatter whoever answers nobody. Refusals have
    /// latencies of their own.
    pub(crate) fn latencies(self) -> Latencies {
        let refused = |record: &&Record| !record.has_status(503);
        Latencies::new(self.0.iter().filter(refused).map(Record::since_due))
    }

    /// The latencies of refusals from when their requests were really sent.
    pub(crate) fn refusals(self) -> Latencies {
        let refused = self.0.iter().filter(|record| record.has_status(503));
        Latencies::new(refused.filter_map(|record| Some(record.done - record.sent?)))
    }

    /// A line about everything that is neither 200 nor 503, or None.
    pub(crate) fn oddities(self) -> Option<String> {
        let mut odd: BTreeMap<String, usize> = BTreeMap::new();
        for record in self.0 {
            let name = match record.outcome {
                Outcome::Answered {
                    status: 200 | 503,
                    refusal: Refusal::Proper { .. } | Refusal::No,
                } => continue,
                Outcome::Answered { status: 503, .. } => "improper 503".to_owned(),
                Outcome::Answered { status, .. } => format!("status {status}"),
                Outcome::Failed(failure) => failure.name().to_owned(),
                Outcome::Unanswered => "unanswered".to_owned(),
                Outcome::NotSent => "not sent".to_owned(),
            };
            *odd.entry(name).or_default() += 1;
        }
        let said: Vec<String> = odd
            .into_iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        (!said.is_empty()).then(|| format!("{} of {}", said.join(", "), self.0.len()))
    }

    /// Says which requests are missing if not every one of `due` has a record.
    pub(crate) fn unaccounted(self, due: usize) -> Option<String> {
        let known = self.0.len();
        (known != due).then(|| format!("{known} records of {due} requests"))
    }

    fn count(self, what: impl Fn(&Record) -> bool) -> f64 {
        self.0.iter().filter(|record| what(record)).count() as f64
    }
}

impl Record {
    /// Whether it was answered with this status.
    pub(crate) fn has_status(&self, wanted: u16) -> bool {
        matches!(self.outcome, Outcome::Answered { status, .. } if status == wanted)
    }

    fn since_due(&self) -> Duration {
        self.done.saturating_duration_since(self.due)
    }
}

/// Latencies in order, all of them: exact quantiles cost less here than a histogram is good for.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(latencies: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<Duration> = latencies.collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    /// The quantile `q` of 0 to 1 in milliseconds; not a number if there are none.
    pub(crate) fn ms(&self, q: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        let at = (last * q).ceil() as usize;
        let latency = self.0.get(at);
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const PROPER: Refusal = Refusal::Proper { retry_after: 1 };

    fn record(start: Instant, ms: u32, outcome: Outcome) -> Record {
        Record {
            due: start,
            sent: (outcome != Outcome::NotSent).then_some(start + MS),
            done: start + MS * ms,
            outcome,
        }
    }

    fn answered(status: u16, refusal: Refusal) -> Outcome {
        Outcome::Answered { status, refusal }
    }

    #[test]
    fn every_outcome_is_counted_once() {
        let start = Instant::now();
        let records = [
            record(start, 10, answered(200, Refusal::No)),
            record(start, 20, answered(200, Refusal::No)),
            record(start, 3, answered(503, PROPER)),
            record(start, 4, answered(503, Refusal::Improper)),
            record(start, 30, Outcome::Failed(Failure::NoAnswer)),
            record(start, 40, Outcome::Unanswered),
            record(start, 50, Outcome::NotSent),
        ];
        let records = Records(&records);
        assert_eq!((records.status(200), records.status(503)), (2.0, 2.0));
        assert_eq!((records.lost(), records.unanswered()), (1.0, 1.0));
        assert_eq!(records.not_sent(), 1.0);
        assert_eq!(records.last_of(200), Some(start + MS * 20));
        assert_eq!(records.last_of(404), None);
        assert_eq!(records.failed(Failure::NoAnswer), 1.0);
        assert_eq!(records.improper_refusals(), 1.0);
        assert_eq!(
            records.oddities().as_deref(),
            Some("1 improper 503, 1 no answer, 1 not sent, 1 unanswered of 7"),
        );
        assert_eq!(records.unaccounted(7), None);
        assert!(records.unaccounted(8).is_some());
        // Within 15 ms only one of the two good answers was there.
        assert!((records.goodput(start, MS * 15) - 1_000.0 / 15.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_never_answered_counts_with_its_wait_and_refusals_apart() {
        let start = Instant::now();
        let records = [
            record(start, 10, answered(200, Refusal::No)),
            record(start, 3, answered(503, PROPER)),
            record(start, 50, Outcome::NotSent),
        ];
        let records = Records(&records);
        assert_eq!(records.latencies().ms(0.0), 10.0);
        assert_eq!(records.latencies().ms(1.0), 50.0);
        assert_eq!(records.refusals().ms(1.0), 2.0);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_latencies() {
        let latencies = Latencies::new((1..=101).rev().map(|ms| MS * ms));
        assert_eq!(latencies.ms(0.5), 51.0);
        assert_eq!(latencies.ms(0.99), 100.0);
        assert_eq!(latencies.ms(1.0), 101.0);
        assert!(Latencies::new(std::iter::empty()).ms(0.5).is_nan());
    }
}
