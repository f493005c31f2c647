//! The loads: what arrives when, what it costs, and what is thought of it beforehand.

use crate::{policy::Job, random::SplitMix};

/// A millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// Jobs that are worked on at a time.
pub(crate) const SERVERS: usize = 2;

/// So long jobs arrive.
pub(crate) const DURATION: u64 = 60_000 * MS;

/// What arrives.
pub(crate) struct Load {
    pub(crate) name: String,
    pub(crate) sources: Vec<Source>,
    /// Whether the last source is reported apart.
    pub(crate) watch_last: bool,
}

/// Where jobs of one flow come from.
#[derive(Clone)]
pub(crate) struct Source {
    /// How much of the capacity arrives.
    pub(crate) factor: f64,
    /// The costs of the jobs, with how often each comes.
    pub(crate) costs: Vec<(u32, u64)>,
    pub(crate) prediction: Prediction,
}

/// What is predicted of a cost.
#[derive(Clone, Copy)]
pub(crate) enum Prediction {
    Right,
    /// So many times too low.
    TooLow(u64),
    /// So many times too low until that moment, and right from then on.
    TooLowUntil(u64, u64),
}

impl Source {
    pub(crate) fn new(factor: f64, cost: u64) -> Self {
        Self {
            factor,
            costs: vec![(1, cost)],
            prediction: Prediction::Right,
        }
    }

    pub(crate) fn predicted(self, prediction: Prediction) -> Self {
        Self { prediction, ..self }
    }
}

impl Prediction {
    fn of(self, cost: u64, now: u64) -> u64 {
        match self {
            Self::TooLow(times) => cost / times,
            Self::TooLowUntil(times, end) if now < end => cost / times,
            Self::Right | Self::TooLowUntil(..) => cost,
        }
    }
}

impl Load {
    pub(crate) fn new(name: impl Into<String>, source: Source) -> Self {
        Self {
            name: name.into(),
            sources: vec![source],
            watch_last: false,
        }
    }

    /// With a second flow, which is reported apart.
    pub(crate) fn beside(mut self, watched: Source) -> Self {
        self.sources.push(watched);
        self.watch_last = true;
        self
    }

    pub(crate) fn watches(&self, job: &Job) -> bool {
        self.watch_last && job.flow + 1 == self.sources.len()
    }

    /// Whether something is predicted wrongly.
    pub(crate) fn is_misjudged(&self) -> bool {
        let right = |source: &Source| matches!(source.prediction, Prediction::Right);
        !self.sources.iter().all(right)
    }

    /// All that arrives, in order. The same for the same load.
    pub(crate) fn arrivals(&self) -> Vec<Job> {
        let mut random = SplitMix::new(1);
        let mut jobs = Vec::new();
        for (flow, source) in self.sources.iter().enumerate() {
            source.arrivals(flow, &mut random, &mut jobs);
        }
        jobs.sort_by_key(|job| job.arrived);
        for (id, job) in jobs.iter_mut().enumerate() {
            job.id = id;
        }
        jobs
    }
}

impl Source {
    /// Random arrivals, one independent of the other.
    fn arrivals(&self, flow: usize, random: &mut SplitMix, jobs: &mut Vec<Job>) {
        let all: u32 = self.costs.iter().map(|(times, _)| times).sum();
        let sum: u64 = self
            .costs
            .iter()
            .map(|(times, cost)| u64::from(*times) * cost)
            .sum();
        let rate = self.factor * SERVERS as f64 * f64::from(all) / sum as f64;
        let mut at = 0.0;
        loop {
            at -= (1.0 - random.unit()).ln() / rate;
            if at >= DURATION as f64 {
                return;
            }
            let (arrived, cost) = (at as u64, self.cost(random));
            jobs.push(Job {
                id: 0,
                arrived,
                cost,
                predicted: self.prediction.of(cost, arrived).max(1),
                flow,
            });
        }
    }

    fn cost(&self, random: &mut SplitMix) -> u64 {
        let all: u32 = self.costs.iter().map(|(times, _)| times).sum();
        let mut at = (random.unit() * f64::from(all)) as u32;
        for &(times, cost) in &self.costs {
            if at < times {
                return cost;
            }
            at -= times;
        }
        self.costs[0].1
    }
}
