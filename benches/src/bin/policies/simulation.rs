//! The simulation: arrivals, servers, and the time as a number.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    load::{DURATION, Load, MS, SERVERS},
    policy::{Job, Policy},
};

/// What came of a load under a policy.
pub(crate) struct Outcome {
    /// What was worked off while jobs arrived, as a part of what the servers could do.
    pub(crate) goodput: f64,
    /// How long jobs waited that were worked off.
    pub(crate) waited: Times,
    /// How long jobs waited that were turned away in the end.
    pub(crate) refused_after: Times,
    /// How long it took from the last arrival until nothing was left.
    pub(crate) empty_in: u64,
    /// What became of the flow that is reported apart.
    pub(crate) watched: Option<Watched>,
}

impl Outcome {
    /// The part of all that came that was turned away more than 5 ms after it came.
    pub(crate) fn late(&self) -> f64 {
        let late = self.refused_after.0.iter().filter(|time| **time > 5 * MS);
        late.count() as f64 / self.ended().max(1) as f64
    }

    /// How many jobs were worked off or turned away.
    pub(crate) fn ended(&self) -> usize {
        self.waited.0.len() + self.refused_after.0.len()
    }
}

/// What became of one flow.
#[derive(Default)]
pub(crate) struct Watched {
    came: u32,
    pub(crate) waited: Times,
}

impl Watched {
    /// The part that was worked off.
    pub(crate) fn served(&self) -> f64 {
        self.waited.0.len() as f64 / f64::from(self.came.max(1))
    }
}

/// A collection of times.
#[derive(Default)]
pub(crate) struct Times(Vec<u64>);

impl Times {
    pub(crate) fn quantile(&self, q: f64) -> Option<u64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some(sorted[(last as f64 * q).round() as usize])
    }
}

/// Runs one policy under one load.
pub(crate) fn simulate(load: &Load, policy: &mut dyn Policy) -> Outcome {
    let mut outcome = Outcome {
        goodput: 0.0,
        waited: Times::default(),
        refused_after: Times::default(),
        empty_in: 0,
        watched: load.watch_last.then(Watched::default),
    };
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut running: Vec<Option<Job>> = vec![None; SERVERS];
    let (mut worked, mut last) = (0, 0);
    let mut dropped = Vec::new();
    let mut arrivals = load.arrivals().into_iter().peekable();
    loop {
        let arrives = arrivals.peek().map(|job| job.arrived);
        let ends_at = ends.peek().map(|Reverse((end, _))| *end);
        let now = match (arrives, ends_at) {
            (Some(arrives), Some(end)) if end <= arrives => end,
            (Some(arrives), _) => arrives,
            (None, Some(end)) => end,
            (None, None) => break,
        };
        last = now;
        if ends_at == Some(now) {
            if let Some(Reverse((_, server))) = ends.pop()
                && let Some(job) = running[server].take()
            {
                policy.ended(&job, now);
            }
        } else if let Some(job) = arrivals.next() {
            if let Some(watched) = outcome.watched.as_mut().filter(|_| load.watches(&job)) {
                watched.came += 1;
            }
            if !policy.offer(job, now) {
                outcome.refused_after.0.push(0);
            }
        }
        for (server, place) in running.iter_mut().enumerate() {
            if place.is_some() {
                continue;
            }
            let next = policy.next(now, &mut dropped);
            let late = dropped.drain(..).map(|job: Job| now - job.arrived);
            outcome.refused_after.0.extend(late);
            let Some(job) = next else { break };
            outcome.waited.0.push(now - job.arrived);
            if let Some(watched) = outcome.watched.as_mut().filter(|_| load.watches(&job)) {
                watched.waited.0.push(now - job.arrived);
            }
            worked += job.cost.min(DURATION.saturating_sub(now));
            ends.push(Reverse((now + job.cost, server)));
            *place = Some(job);
        }
    }
    outcome.goodput = worked as f64 / (DURATION * SERVERS as u64) as f64;
    outcome.empty_in = last.saturating_sub(DURATION);
    outcome
}
