//! What a lane takes by its books, on a simulated clock: bursts whole, overload only for as long as it takes to see it.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{Answer, Ask, Backlog, Flow};
use crate::queue::FairQueue;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const BURST: u64 = 10 * SECOND;

/// When the lane has warmed up and everything else begins.
const QUIET: u64 = 5 * SECOND;

/// A job of a flow.
#[derive(Clone, Copy, Debug)]
struct Job {
    at: u64,
    /// CPU time.
    cost: u64,
    flow: usize,
}

/// What became of a job.
#[derive(Clone, Copy, Debug)]
struct Fate {
    job: Job,
    /// How long it waited, or that it was refused, with the delay that it was told.
    waited: Result<u64, u64>,
}

/// A lane whose jobs take `stretch` times what they cost.
struct Lane {
    threads: usize,
    stretch: u64,
    book: Backlog,
    flows: Vec<Arc<Flow>>,
    queue: FairQueue<Job>,
    /// When what runs ends, and what it cost.
    running: BinaryHeap<Reverse<(u64, u64)>>,
    fates: Vec<Fate>,
}

/// The limit that the default settings give a job that takes so long.
fn limit(takes: u64) -> u64 {
    (16 * takes).clamp(500 * MS, 30 * SECOND) / 2
}

impl Lane {
    fn new(threads: usize, stretch: u64, flows: usize) -> Self {
        let lane = Self {
            threads,
            stretch,
            book: Backlog::new(0, threads),
            flows: (0..flows).map(|_| Flow::unnamed()).collect(),
            queue: FairQueue::new(),
            running: BinaryHeap::new(),
            fates: Vec::new(),
        };
        for _ in 0..20 {
            lane.took(100 * MS);
        }
        lane
    }

    fn took(&self, cost: u64) {
        let nanos = Duration::from_nanos;
        self.book.took(nanos(cost * self.stretch), nanos(cost));
    }

    /// Works until then.
    fn work(&mut self, until: u64) {
        while let Some(&Reverse((end, cost))) = self.running.peek()
            && end <= until
        {
            self.running.pop();
            self.took(cost);
            self.book.end(cost, end);
            self.begin(end);
        }
    }

    fn begin(&mut self, now: u64) {
        while self.running.len() < self.threads
            && let Some((job, _)) = self.queue.pop()
        {
            self.book.begin(&self.flows[job.flow], job.cost);
            let end = now + job.cost * self.stretch;
            self.running.push(Reverse((end, job.cost)));
            self.fates.push(Fate {
                job,
                waited: Ok(now - job.at),
            });
        }
    }

    fn arrive(&mut self, job: Job) {
        self.work(job.at);
        let flow = Arc::clone(&self.flows[job.flow]);
        let ask = Ask {
            cost: job.cost,
            limit: Duration::from_nanos(limit(self.book.wall_time_of(job.cost))),
            burst: Duration::from_nanos(BURST),
        };
        if self.book.ask(&flow, ask, job.at) == Answer::Never {
            let delay = self.book.projected_delay(&flow).as_nanos() as u64;
            self.fates.push(Fate {
                job,
                waited: Err(delay),
            });
            return;
        }
        assert!(self.book.admit(&flow, 1 << 20));
        self.book.enter(&flow, job.cost);
        self.queue.push(flow.share(), job.cost, job);
        self.begin(job.at);
    }

    /// Serves jobs to the end.
    fn serve(mut self, mut jobs: Vec<Job>) -> Vec<Fate> {
        jobs.sort_by_key(|job| job.at);
        for job in jobs {
            self.arrive(job);
        }
        self.work(u64::MAX);
        self.fates
    }
}

/// Jobs that come like that from `from` to `until`, which is so many percent of what `threads` can do.
fn steady(load: u64, cost: u64, lane: (usize, u64), from: u64, until: u64) -> Vec<Job> {
    let apart = cost * lane.1 * 100 / (load * lane.0 as u64);
    let count = (until - from) / apart;
    (0..count)
        .map(|n| Job {
            at: from + n * apart,
            cost,
            flow: 0,
        })
        .collect()
}

/// Makes a stream irregular: each job comes up to `by` percent of the distance to the next later.
fn shaken(mut jobs: Vec<Job>, by: u64, mut seed: u64) -> Vec<Job> {
    for n in 1..jobs.len() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let apart = jobs[n].at - jobs[n - 1].at;
        jobs[n - 1].at += (apart * by / 100) * (seed >> 33) / (1 << 31);
    }
    jobs
}

/// How long the last of them would wait if all were taken at once.
fn last_waits(costs: &[u64], lane: (usize, u64)) -> u64 {
    let all: u64 = costs.iter().sum();
    let longest = costs.iter().max().copied().unwrap_or(0);
    (all / lane.0 as u64 + longest) * lane.1
}

fn refused(fates: &[Fate]) -> usize {
    fates.iter().filter(|fate| fate.waited.is_err()).count()
}

#[test]
fn forty_requests_of_300_ms_at_once_are_all_answered() {
    for stretch in [1, 3] {
        let cost = 300 * MS / stretch;
        let jobs = (0..40)
            .map(|_| Job {
                at: QUIET,
                cost,
                flow: 0,
            })
            .collect();
        let fates = Lane::new(2, stretch, 1).serve(jobs);
        assert_eq!(
            refused(&fates),
            0,
            "where jobs take {stretch} times what they cost"
        );
    }
}

#[test]
fn what_takes_three_times_what_it_costs_is_projected_so() {
    let lane = Lane::new(2, 3, 1);
    let flow = &lane.flows[0];
    for _ in 0..20 {
        assert!(lane.book.admit(flow, 100));
        lane.book.enter(flow, 100 * MS);
    }
    let delay = lane.book.projected_delay(flow);
    assert!((2_800..3_200).contains(&delay.as_millis()), "{delay:?}");
}

#[test]
fn a_second_burst_is_answered_once_the_first_is_gone() {
    let at_once = |at| {
        (0..100).map(move |_| Job {
            at,
            cost: 50 * MS,
            flow: 0,
        })
    };
    let jobs = at_once(QUIET).chain(at_once(QUIET + 3 * SECOND)).collect();
    assert_eq!(refused(&Lane::new(2, 1, 1).serve(jobs)), 0);
}

#[test]
fn bursts_that_go_on_are_an_overload() {
    // Each is over within a moment, and brings twice what can be done until the next.
    for apart in [100 * MS, 300 * MS, 500 * MS] {
        let count = 2 * apart / (10 * MS);
        let jobs = (0..20 * SECOND / apart).flat_map(|burst| {
            let at = QUIET + burst * apart;
            (0..count).map(move |_| Job {
                at,
                cost: 10 * MS,
                flow: 0,
            })
        });
        for fate in Lane::new(1, 1, 1).serve(jobs.collect()) {
            let later = fate.job.at > QUIET + SECOND;
            assert!(!later || fate.waited.unwrap_or(0) <= 500 * MS, "{fate:?}");
        }
    }
}

#[test]
fn somebody_elses_flood_does_not_take_a_modest_burst_for_its_own() {
    let mut jobs = steady(1_000, 10 * MS, (2, 1), QUIET, QUIET + 20 * SECOND);
    let burst = |n| Job {
        at: QUIET + 10 * SECOND + n,
        cost: 10 * MS,
        flow: 1,
    };
    jobs.extend((0..150).map(burst));
    let fates = Lane::new(2, 1, 2).serve(jobs);
    let modest = |fate: &&Fate| fate.job.flow == 1;
    assert!(fates.iter().filter(modest).all(|fate| fate.waited.is_ok()));
}

prop_compose! {
    fn lanes()(threads in 1..=4_usize, stretch in 1..=4_u64) -> (usize, u64) {
        (threads, stretch)
    }
}

proptest! {
    #[test]
    fn a_burst_after_quiet_is_taken_whole_if_its_last_waits_less_than_10_s(
        lane in lanes(),
        costs in prop::collection::vec(MS..400 * MS, 1..400),
        within in 0..250 * MS,
        before in 0..3_u64,
    ) {
        let mut costs = costs;
        while last_waits(&costs, lane) >= BURST {
            costs.pop();
        }
        prop_assume!(!costs.is_empty());
        let mut jobs: Vec<_> = (0..before)
            .map(|n| Job { at: n * SECOND, cost: 20 * MS, flow: 0 })
            .collect();
        let count = costs.len() as u64;
        jobs.extend((0..).zip(&costs).map(|(n, &cost)| Job {
            at: QUIET + within * n / count,
            cost,
            flow: 0,
        }));
        let fates = Lane::new(lane.0, lane.1, 1).serve(jobs);
        prop_assert_eq!(refused(&fates), 0);
    }

    #[test]
    fn an_overload_is_back_to_the_short_patience_within_a_second_and_stays_there(
        lane in lanes(),
        load in 200..1_500_u64,
        cost in MS..400 * MS,
        by in 0..100_u64,
        seed in any::<u64>(),
    ) {
        let jobs = steady(load, cost, lane, QUIET, QUIET + 20 * SECOND);
        let fates = Lane::new(lane.0, lane.1, 1).serve(shaken(jobs, by, seed));
        let patience = 2 * limit(cost * lane.1);
        for fate in &fates {
            let later = fate.job.at > QUIET + SECOND;
            prop_assert!(!later || fate.waited.unwrap_or(0) <= patience, "{:?}", fate);
        }
        // It is kept busy all the time, and whoever was refused was told how long it takes until those before it are done.
        let done: u64 = fates.iter().filter(|fate| fate.waited.is_ok()).map(|fate| fate.job.cost).sum();
        prop_assert!(done * lane.1 >= 19 * SECOND * lane.0 as u64);
        let told = fates.iter().filter_map(|fate| fate.waited.err());
        let least = limit(cost * lane.1) * 9 / 10;
        prop_assert!(told.min().is_none_or(|told| told >= least));
    }

    #[test]
    fn a_burst_on_top_of_half_of_what_can_be_done_is_answered_whole_if_it_drains(
        lane in lanes(),
        cost in MS..100 * MS,
        load in 5..=50_u64,
        burst in 10..=450_u64,
        at in 0..SECOND,
        by in 0..100_u64,
        seed in any::<u64>(),
    ) {
        let flow = steady(load, cost, lane, QUIET, QUIET + 30 * SECOND);
        let mut jobs = shaken(flow, by, seed);
        // In hundredths of a second of what the lane can do. As much again comes while it drains, at most.
        let count = burst * 10 * MS * lane.0 as u64 / (cost * lane.1);
        let at = QUIET + 5 * SECOND + at;
        jobs.extend((0..count).map(|_| Job { at, cost, flow: 0 }));
        let fates = Lane::new(lane.0, lane.1, 1).serve(jobs);
        prop_assert_eq!(refused(&fates), 0);
    }
}
