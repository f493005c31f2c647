//! On what terms a request comes to the lanes: whose it is, what it will cost, how long it may wait.

use std::{sync::Arc, time::Duration};

use offload_core::{JobKey, Lanes, Terms, cost::SizeBucket, routes::Route};

use crate::unrouted::{Pair, Unrouted};

/// What of a request tells what it will cost.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Its query. It belongs to it: it is what makes one request of a route dear and the next one cheap.
    pub query: Option<&'a str>,
    /// The size of its body.
    pub bucket: SizeBucket,
}

/// How long a request may wait beside what its cost gives it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The patience of one that may be of any route.
    pub longest_patience: Duration,
    /// What is left until the server ends, if it ends.
    pub time_left: Option<Duration>,
    /// What the client says, if it says so.
    pub deadline: Option<Duration>,
}

/// The terms of a request, and the key under which its cost is remembered.
pub fn of_request(
    lanes: &Lanes,
    unrouted: &Unrouted,
    line: RequestLine<'_>,
    route: Option<&Arc<Route>>,
    limits: &Limits,
) -> (Terms, JobKey) {
    let bucket = line.bucket;
    let key = lanes.key((line.method, line.path, line.query, bucket));
    let mut terms = Terms::new().key(key);
    let expected = route.and_then(|route| route.expected_cost(bucket));
    if let Some(cost) = expected {
        terms = terms.cost(cost);
    }
    terms = match route {
        // It may be of any route, and light ones are not to be refused.
        None => {
            let Pair { flow, probes } = unrouted.of(line.path);
            let terms = terms.flow(flow).probe(probes);
            terms.patience(limits.longest_patience)
        }
        Some(route) => match route.probes(bucket) {
            Some(probes) => terms.flow(route.flow()).probe(probes),
            None => terms.flow(route.flow()),
        },
    };
    if let Some(patience) = route.and_then(|route| route.patience()) {
        terms = terms.patience(patience);
    }
    // Half of a patience may be spent on waiting, and the run takes its time as well.
    let without_run = |time: Duration| time.saturating_sub(expected.unwrap_or_default());
    if let Some(left) = limits.time_left {
        terms = terms.patience(without_run(left));
    }
    if let Some(deadline) = limits.deadline {
        terms = terms.patience(without_run(deadline));
    }
    (terms, key)
}
