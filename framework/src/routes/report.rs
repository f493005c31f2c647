//! What is known of a route, as plain data for people and dashboards.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use serde::Serialize;

use super::{
    record::{Runs, Sketches},
    route::Route,
};
use crate::{
    cost::{CostSketch, SizeBucket},
    placement::{PinSource, Placement},
};

/// A snapshot of one route. Its counts are read one by one, so they may be a few requests apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RouteReport {
    /// The app it belongs to: 0, 1, 2, … in the order in which apps were made. An app takes the first number that is free.
    pub app: u32,
    /// Its method.
    pub method: String,
    /// Its resource pattern.
    pub pattern: String,
    /// Where it runs: on a lane if any body size that was met so far does.
    pub placement: Placement,
    /// Who pinned it there, if it was not learned.
    pub pinned_by: Option<PinSource>,
    /// What its recent runs cost, all body sizes together.
    pub cost: Option<CostReport>,
    /// How long its recent runs waited for a lane.
    pub queued: Option<CostReport>,
    /// Runs on event loops.
    pub loop_runs: u64,
    /// Runs on lanes.
    pub lane_runs: u64,
    /// What all its runs on event loops took together, in seconds.
    pub loop_seconds: f64,
    /// What all its runs on lanes took together, in seconds.
    pub lane_seconds: f64,
    /// How often it changed sides, by what was learned or by a pin.
    pub moves: u64,
    /// Runs that ended in a panic.
    pub panics: u64,
    /// Requests that were turned away, because the lane was full, or because they would have had to wait too long or had by then.
    pub refused: u64,
    /// Requests whose client left before they were answered.
    pub cancelled: u64,
    /// When and why it was last given a place.
    pub last_move: Option<MoveReport>,
    /// The body sizes that were met so far.
    pub buckets: Vec<BucketReport>,
}

/// What is known of a route for one class of body sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BucketReport {
    /// Which sizes.
    pub body_size: SizeBucket,
    /// Where such requests run.
    pub placement: Placement,
    /// Runs everywhere.
    pub runs: u64,
    /// What recent runs cost.
    pub cost: Option<CostReport>,
    /// The clean runs that count so far towards the event loop; absent if it is there.
    pub clean_runs: Option<u32>,
    /// The clean runs that it takes to get to the event loop; absent if it is there.
    pub clean_runs_needed: Option<u32>,
    /// How often it had to come back from the event loop lately.
    pub relapses: u8,
}

/// Times in microseconds, to a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CostReport {
    /// Half of the recent runs took no longer, up to 19 % off.
    pub p50_us: f64,
    /// 95 % of the recent runs took no longer, up to 19 % off.
    pub p95_us: f64,
    /// The recent peak.
    pub peak_us: f64,
    /// The run looked at last.
    pub last_us: f64,
}

/// When and why a route was last given a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MoveReport {
    /// Where it ran until then.
    pub from: Placement,
    /// Where it ran from then on.
    pub to: Placement,
    /// Why.
    pub reason: String,
    /// How long ago, in seconds.
    pub age_s: f64,
}

/// A route was given a place, as it happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RouteMove {
    /// A number of its own, ascending.
    pub id: u64,
    /// The route, as method and pattern.
    pub route: String,
    /// Where it ran until then.
    pub from: Placement,
    /// Where it ran from then on.
    pub to: Placement,
    /// Why.
    pub reason: String,
    /// How long ago, in seconds.
    pub age_s: f64,
}

impl Route {
    /// What is known of the route now. Takes locks and allocates: not for each request.
    #[must_use]
    pub fn report(&self) -> RouteReport {
        let runs = self.runs();
        let Sketches { costs, queued } = self.record.sketches();
        let mut all = CostSketch::new();
        for sketch in costs.iter().flatten() {
            all.merge(sketch);
        }
        let counts = &self.record;
        RouteReport {
            app: self.app(),
            method: self.method().to_owned(),
            pattern: self.pattern().to_owned(),
            placement: self.placement(),
            pinned_by: self.pinned_by(),
            cost: CostReport::of(&all),
            queued: queued.as_deref().and_then(CostReport::of),
            loop_runs: runs.on_loop.iter().sum(),
            lane_runs: runs.on_lane.iter().sum(),
            loop_seconds: Duration::from_nanos(runs.loop_nanos).as_secs_f64(),
            lane_seconds: Duration::from_nanos(runs.lane_nanos).as_secs_f64(),
            moves: counts.moves.load(Relaxed),
            panics: counts.panics.load(Relaxed),
            refused: counts.refused.iter().map(|count| count.load(Relaxed)).sum(),
            cancelled: counts.cancelled.load(Relaxed),
            last_move: self.last_move().map(|(moved, age)| MoveReport {
                from: moved.from,
                to: moved.to,
                reason: moved.reason.to_string(),
                age_s: age.as_secs_f64(),
            }),
            buckets: SizeBucket::all()
                .filter_map(|bucket| {
                    let cost = costs[bucket.index()].as_deref().and_then(CostReport::of);
                    self.bucket_report(bucket, &runs, cost)
                })
                .collect(),
        }
    }

    /// How often it ran on event loops, and on lanes. Takes a lock: not for each request.
    #[must_use]
    pub fn runs_by_place(&self) -> (u64, u64) {
        let runs = self.runs();
        (runs.on_loop.iter().sum(), runs.on_lane.iter().sum())
    }

    fn bucket_report(
        &self,
        bucket: SizeBucket,
        runs: &Runs,
        cost: Option<CostReport>,
    ) -> Option<BucketReport> {
        let verdict = self.verdict(bucket);
        let runs = runs.of(bucket);
        if runs == 0 && verdict.known().is_none() {
            return None;
        }
        let progress = verdict.progress(self.rules());
        Some(BucketReport {
            body_size: bucket,
            placement: self.place(bucket),
            runs,
            cost,
            clean_runs: progress.map(|progress| progress.clean_runs),
            clean_runs_needed: progress.map(|progress| progress.needed),
            relapses: verdict.relapses(),
        })
    }
}

impl CostReport {
    fn of(sketch: &CostSketch) -> Option<Self> {
        Some(Self {
            p50_us: micros(sketch.quantile(0.5)?),
            p95_us: micros(sketch.quantile(0.95)?),
            peak_us: micros(sketch.peak()?),
            last_us: micros(sketch.last()?),
        })
    }
}

fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 10.0
}
