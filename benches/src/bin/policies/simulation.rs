//! The simulation: arrivals, two servers, and the time as a number.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::policy::{Job, Policy};

/// A millisecond.
pub(crate) const MS: u64 = 1_000_000;

const SERVERS: usize = 2;
const DURATION: u64 = 60_000 * MS;

/// A load: how much of the capacity arrives, and in which jobs.
pub(crate) struct Load {
    pub(crate) name: String,
    /// A factor of the capacity, and the costs of the jobs with how often each comes.
    pub(crate) main: (f64, Vec<(u32, u64)>),
    /// A second flow: a factor of the capacity, and the cost of its jobs.
    pub(crate) small: Option<(f64, u64)>,
}

/// What came of it.
pub(crate) struct Outcome {
    /// What was worked off while jobs arrived, as a part of what the servers could do.
    pub(crate) goodput: f64,
    /// How long jobs waited that were worked off.
    pub(crate) waited: Times,
    /// How long jobs waited that were turned away in the end.
    pub(crate) refused_after: Times,
    /// How long it took from the last arrival until nothing was left.
    pub(crate) empty_in: u64,
    /// The part of the small flow that was worked off.
    pub(crate) small: Option<f64>,
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
    let mut waited = Times::default();
    let mut refused_after = Times::default();
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut running: Vec<Option<Job>> = vec![None; SERVERS];
    let (mut worked, mut last) = (0, 0);
    let mut small = (0_u32, 0_u32);
    let mut arrivals = arrivals(load).into_iter().peekable();
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
            small.0 += u32::from(job.small);
            if !policy.offer(job, now) {
                refused_after.0.push(0);
            }
        }
        for (server, place) in running.iter_mut().enumerate() {
            if place.is_some() {
                continue;
            }
            let mut dropped = Vec::new();
            let next = policy.next(now, &mut dropped);
            refused_after
                .0
                .extend(dropped.iter().map(|job| now - job.arrived));
            let Some(job) = next else { break };
            waited.0.push(now - job.arrived);
            small.1 += u32::from(job.small);
            worked += job.cost.min(DURATION.saturating_sub(now));
            ends.push(Reverse((now + job.cost, server)));
            *place = Some(job);
        }
    }
    Outcome {
        goodput: worked as f64 / (DURATION * SERVERS as u64) as f64,
        waited,
        refused_after,
        empty_in: last.saturating_sub(DURATION),
        small: load.small.map(|_| f64::from(small.1) / f64::from(small.0)),
    }
}

fn arrivals(load: &Load) -> Vec<Job> {
    let mut random = SplitMix(1);
    let mut jobs = Vec::new();
    let (factor, costs) = &load.main;
    let all: u32 = costs.iter().map(|(times, _)| times).sum();
    let mean = costs
        .iter()
        .map(|(times, cost)| u64::from(*times) * cost)
        .sum::<u64>() as f64
        / f64::from(all);
    flow(&mut random, factor / mean, |random, arrived| {
        let mut at = (random.unit() * f64::from(all)) as u32;
        let chosen = costs.iter().find(|(times, _)| {
            let here = at < *times;
            at = at.saturating_sub(*times);
            here
        });
        let (_, cost) = *chosen.unwrap_or(&costs[0]);
        jobs.push(Job {
            arrived,
            cost,
            small: false,
        });
    });
    if let Some((factor, cost)) = load.small {
        flow(&mut random, factor / cost as f64, |_, arrived| {
            jobs.push(Job {
                arrived,
                cost,
                small: true,
            });
        });
    }
    jobs.sort_by_key(|job| job.arrived);
    jobs
}

/// Random arrivals at `rate` of one server's capacity a nanosecond, for all servers.
fn flow(random: &mut SplitMix, rate: f64, mut arrive: impl FnMut(&mut SplitMix, u64)) {
    let rate = rate * SERVERS as f64;
    let mut at = 0.0;
    loop {
        at -= (1.0 - random.unit()).ln() / rate;
        if at >= DURATION as f64 {
            return;
        }
        arrive(random, at as u64);
    }
}

/// The generator of Steele, Lea and Flood ("Fast splittable pseudorandom number generators", 2014): the same numbers for
/// every policy on every machine.
struct SplitMix(u64);

impl SplitMix {
    /// A number from 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
