//! The book of one lane: what waits there and what runs, and how long a job would wait that came now.

use std::{
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Relaxed},
    },
    time::Duration,
};

use super::{
    drain::Drain,
    flow::{Flow, Gauge, LANES, Rank},
    surge::{Arrived, MOMENT},
};
use crate::nanos::nanos;

/// A flow may have so many times as many jobs queued as there are places still free.
///
/// These are the dynamic thresholds of Choudhury and Hahne ("Dynamic Queue Length Thresholds for Shared-Memory Packet
/// Switches", 1998): a flood never takes the last places, so that others find some, and none is wasted while there is
/// only one flow that wants them. One flow alone can take eight ninths.
const ALPHA: usize = 8;

/// What is asked of a lane for one job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// What it will probably cost, in nanoseconds.
    pub(crate) cost: u64,
    /// It may wait for so long in any case.
    pub(crate) limit: Duration,
    /// And for so long if what it waits for is a burst and drains.
    pub(crate) burst: Duration,
}

/// Whether a job may enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It will not wait for longer than its limit, though more comes than is worked off.
    Soon,
    /// It comes into a queue that drains, and is to be run also if that takes longer than was foreseen.
    Drains,
    /// It would wait for too long.
    Never,
}

/// The book of one lane. Every figure is a gauge: what comes in goes out again by exactly as much.
#[derive(Debug)]
pub(crate) struct Backlog {
    lane: usize,
    threads: usize,
    queued: AtomicUsize,
    ranks: [RankBook; Rank::ALL.len()],
    running: AtomicUsize,
    /// What the running jobs were predicted to cost altogether.
    running_nanos: AtomicU64,
    drain: Drain,
}

/// What waits in one rank.
#[derive(Debug, Default)]
struct RankBook {
    nanos: AtomicU64,
    /// The sum of the weights of the flows that have something waiting.
    weights: AtomicUsize,
    /// What the first jobs of flows cost that came when nothing of their flow was waiting, and still wait. A newcomer is
    /// one of them and comes behind them, whatever the shares are.
    firsts: AtomicU64,
}

impl Backlog {
    /// The empty book of a lane with so many threads. Lanes between which jobs move need different numbers, 0 and 1.
    ///
    /// # Panics
    ///
    /// Panics if `lane` is not 0 or 1.
    pub(crate) fn new(lane: usize, threads: usize) -> Self {
        assert!(lane < LANES, "there are {LANES} lanes, not {lane}");
        Self {
            lane,
            threads,
            queued: AtomicUsize::new(0),
            ranks: Default::default(),
            running: AtomicUsize::new(0),
            running_nanos: AtomicU64::new(0),
            drain: Drain::new(threads),
        }
    }

    /// Reserves a place for one more job of `flow` among `bound`, or refuses it.
    ///
    /// The bound holds exactly. The flow's own part of it may be overshot by as many as ask at the same time.
    pub(crate) fn admit(&self, flow: &Flow, bound: usize) -> bool {
        let own = self.gauge(flow).queued.load(Relaxed);
        let admitted = self.queued.fetch_update(Relaxed, Relaxed, |queued| {
            has_place(own, queued, bound).then_some(queued + 1)
        });
        if admitted.is_err() {
            return false;
        }
        self.count(flow);
        true
    }

    /// Whether one more job of `flow` would have a place now.
    pub(crate) fn would_admit(&self, flow: &Flow, bound: usize) -> bool {
        let own = self.gauge(flow).queued.load(Relaxed);
        has_place(own, self.queued.load(Relaxed), bound)
    }

    /// A job that was admitted is queued now, and will probably cost so many nanoseconds.
    pub(crate) fn enter(&self, flow: &Flow, cost: u64) {
        let (gauge, rank) = (self.gauge(flow), self.rank(flow));
        gauge.nanos.fetch_add(cost, Relaxed);
        rank.nanos.fetch_add(cost, Relaxed);
        if gauge.queued.load(Relaxed) == 1 {
            // Put in before it is shown, so that whoever takes it out again finds it in.
            rank.firsts.fetch_add(cost, Relaxed);
            let before = gauge.first.swap(cost, AcqRel);
            rank.firsts.fetch_sub(before, Relaxed);
        }
    }

    /// A job comes from another lane, where it was admitted.
    pub(crate) fn take_over(&self, flow: &Flow, cost: u64) {
        self.queued.fetch_add(1, Relaxed);
        self.count(flow);
        self.enter(flow, cost);
    }

    /// A queued job is begun.
    pub(crate) fn begin(&self, flow: &Flow, cost: u64) {
        self.leave(flow, cost);
        self.running.fetch_add(1, Relaxed);
        self.running_nanos.fetch_add(cost, Relaxed);
    }

    /// A queued job leaves without having begun.
    pub(crate) fn leave(&self, flow: &Flow, cost: u64) {
        let (gauge, rank) = (self.gauge(flow), self.rank(flow));
        gauge.nanos.fetch_sub(cost, Relaxed);
        rank.nanos.fetch_sub(cost, Relaxed);
        if gauge.first.load(Relaxed) > 0 {
            let first = gauge.first.swap(0, AcqRel);
            rank.firsts.fetch_sub(first, Relaxed);
        }
        if gauge.queued.fetch_sub(1, Relaxed) == 1 {
            let weight = usize::from(flow.weight().get());
            rank.weights.fetch_sub(weight, Relaxed);
        }
        self.queued.fetch_sub(1, Relaxed);
    }

    /// A job that was begun has ended. `now` is in nanoseconds on any clock that all calls share.
    pub(crate) fn end(&self, cost: u64, now: u64) {
        self.running.fetch_sub(1, Relaxed);
        self.running_nanos.fetch_sub(cost, Relaxed);
        self.drain.completed(cost, now, self.queued() > 0);
    }

    /// How many jobs wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }

    /// Whether anything waits or runs.
    pub(crate) fn has_work(&self) -> bool {
        self.queued() > 0 || self.running.load(Relaxed) > 0
    }

    /// The sum of the weights of the flows that have something waiting.
    pub(crate) fn weights(&self) -> usize {
        let weights = self.ranks.iter().map(|rank| rank.weights.load(Relaxed));
        weights.sum()
    }

    /// Whether a job of `flow` may enter that comes now, at `now` on the clock that all calls share.
    ///
    /// Up to its limit it may wait in any case. If it would wait for longer, it may enter only while the queue drains, and only if
    /// all that waits in its rank is gone in time, whosever it is: so no other flow's burst makes it wait for longer.
    pub(crate) fn ask(&self, flow: &Flow, ask: Ask, now: u64) -> Answer {
        let drains = |arrived| self.gauge(flow).surge.take_in(arrived);
        self.answer(flow, ask, now, drains)
    }

    /// What [`ask`](Self::ask) would answer, for a job that does not come yet.
    pub(crate) fn would_answer(&self, flow: &Flow, ask: Ask, now: u64) -> Answer {
        let drains = |arrived| self.gauge(flow).surge.drains(arrived);
        self.answer(flow, ask, now, drains)
    }

    fn answer(
        &self,
        flow: &Flow,
        ask: Ask,
        now: u64,
        drains: impl FnOnce(Arrived) -> bool,
    ) -> Answer {
        let Ask { cost, limit, burst } = ask;
        let delay = self.projected_delay(flow);
        let drains = !burst.is_zero() && {
            let limit = nanos(limit);
            let (weights, weight) = self.shares(flow);
            let takes = self.drain.time_for(Self::of_share(cost, weights, weight));
            drains(Arrived {
                now,
                takes: nanos(takes),
                delay: nanos(delay),
                short: limit.min(MOMENT.max(limit / 4)),
            })
        };
        match (delay <= limit, drains) {
            (true, true) => return Answer::Drains,
            (true, false) => return Answer::Soon,
            (false, true) => {}
            (false, false) => return Answer::Never,
        }
        let above = self.above(flow);
        let beside = self.rank(flow).nanos.load(Relaxed);
        let all = above.saturating_add(beside).saturating_add(self.left());
        // What goes on to come above it is not known to drain.
        if self.drain.time_for(above) <= limit && self.drain.time_for(all) <= burst {
            Answer::Drains
        } else {
            Answer::Never
        }
    }

    /// How long a job of `flow` would wait for its beginning that came now.
    ///
    /// That is the time in which the lane works off what comes before it: all that waits above its rank; in its rank what
    /// its fair share makes of what its own flow has waiting, or the jobs of flows that came when they had nothing
    /// waiting, as it may be one of them, whichever is more, but no more than all that waits there; and half of what runs
    /// now. How fast the lane works that off is measured, in predicted nanoseconds, so wrong predictions correct themselves.
    pub(crate) fn projected_delay(&self, flow: &Flow) -> Duration {
        if self.queued() == 0 && self.running.load(Relaxed) < self.threads {
            return Duration::ZERO;
        }
        let beside = self.rank(flow);
        let own = self.gauge(flow).nanos.load(Relaxed);
        let (weights, weight) = self.shares(flow);
        let fair = Self::of_share(own, weights, weight);
        let ahead = fair.max(beside.firsts.load(Relaxed));
        let beside = beside.nanos.load(Relaxed).min(ahead);
        let above = self.above(flow).saturating_add(beside);
        self.drain.time_for(above.saturating_add(self.left()))
    }

    /// A job took so long, of which it had a core, or wanted none, for `on_cpu`. That tells how long the next ones take.
    pub(crate) fn took(&self, wall: Duration, on_cpu: Duration) {
        self.drain.took(wall, on_cpu);
    }

    /// How long a job takes that costs so much, both in nanoseconds.
    pub(crate) fn wall_time_of(&self, cost: u64) -> u64 {
        (cost as f64 * self.drain.stretch()) as u64
    }

    /// What waits above the rank of `flow`.
    fn above(&self, flow: &Flow) -> u64 {
        let above = &self.ranks[..flow.rank().index()];
        let nanos = above.iter().map(|rank| rank.nanos.load(Relaxed));
        nanos.fold(0, u64::saturating_add)
    }

    /// What is probably left of what runs.
    fn left(&self) -> u64 {
        self.running_nanos.load(Relaxed) / 2
    }

    /// The weights of all flows that want something of the rank of `flow`, and its own.
    fn shares(&self, flow: &Flow) -> (u128, u128) {
        let weight = u128::from(flow.weight().get());
        let weights = self.rank(flow).weights.load(Relaxed) as u128;
        (weights.max(weight), weight)
    }

    /// What is worked off in all until a flow of that weight has had so much.
    fn of_share(nanos: u64, weights: u128, weight: u128) -> u64 {
        u64::try_from(u128::from(nanos) * weights / weight).unwrap_or(u64::MAX)
    }

    fn count(&self, flow: &Flow) {
        if self.gauge(flow).queued.fetch_add(1, Relaxed) == 0 {
            let weight = usize::from(flow.weight().get());
            self.rank(flow).weights.fetch_add(weight, Relaxed);
        }
    }

    fn gauge<'a>(&self, flow: &'a Flow) -> &'a Gauge {
        &flow.gauges[self.lane]
    }

    fn rank(&self, flow: &Flow) -> &RankBook {
        &self.ranks[flow.rank().index()]
    }
}

/// Whether there is a place for one more job of a flow that has `own` of the `queued` ones.
fn has_place(own: usize, queued: usize, bound: usize) -> bool {
    let free = bound.saturating_sub(queued);
    free > 0 && own < free.saturating_mul(ALPHA)
}
