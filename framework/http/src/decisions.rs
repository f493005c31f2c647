//! What every adapter decides alike, as plain functions: where an unknown request runs, and what of a run counts.

use std::time::Duration;

use offload_core::{
    JobKey, Lanes,
    cost::SizeBucket,
    placement::{Placement, Policy, Rules},
    routes::{Observation, Route},
};

use crate::app::UNMATCHED;

/// So many runs of a route are measured exactly after one that took long for a reason that is not known. Not only the next:
/// handlers that block do so now and then, when a cache misses.
pub const SUSPICION: u8 = u8::MAX;

/// Where a request runs of whose route nothing is known.
#[must_use]
pub fn place_unknown(rules: &Rules) -> Placement {
    match rules.policy {
        Policy::Learned => rules.unknown,
        Policy::AlwaysLane => Placement::Lane,
        Policy::AlwaysLoop => Placement::Loop,
    }
}

/// A run on an event loop that cost so much.
#[must_use]
pub fn on_loop(cost: Duration) -> Observation {
    Observation {
        cost,
        ran: Placement::Loop,
        queued: None,
    }
}

/// A run on a lane; one that did not wait for it by itself has no `queued`.
#[must_use]
pub fn on_lane(cost: Duration, queued: Option<Duration>) -> Observation {
    Observation {
        cost,
        ran: Placement::Lane,
        queued,
    }
}

/// Takes a run on a lane into account, up to its response's head. `key` is that under which the lanes remember its cost.
pub fn count_on_lane(
    lanes: &Lanes,
    key: JobKey,
    route: Option<&Route>,
    bucket: SizeBucket,
    seen: Observation,
    is_error: bool,
    budget: Duration,
) {
    // A cheap error says nothing of a request that is served; see `Route::observe_error`.
    if !is_error || seen.cost > budget {
        lanes.record(key, seen.cost);
    }
    let Some(route) = route else { return };
    // Errors are what unmatched requests usually end in, so there they do say what it costs.
    if is_error && route.pattern() != UNMATCHED {
        route.observe_error(bucket, seen);
    } else {
        route.observe(bucket, seen);
    }
}
