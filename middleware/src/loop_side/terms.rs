//! On what terms a request comes to the lanes: whose it is, what it will cost, how long it may wait.

use std::{sync::Arc, time::Duration};

use actix_http::{RequestHead, header::HeaderName};
use offload_core::{JobKey, Terms, cost::SizeBucket, routes::Route};

use super::unrouted::Pair;
use crate::offload::Core;

/// The deadline header of a request does not say a number of milliseconds.
#[derive(Debug)]
pub(crate) struct BadDeadline {
    pub(crate) header: HeaderName,
}

/// The terms of a request, and the key under which its cost is remembered.
///
/// # Errors
///
/// If the app has enabled a deadline header and this request has one that cannot be read.
pub(crate) fn of_request(
    core: &Core,
    head: &RequestHead,
    route: Option<&Arc<Route>>,
    bucket: SizeBucket,
) -> Result<(Terms, JobKey), BadDeadline> {
    // The query belongs to it: it is what makes one request of a route dear and the next one cheap.
    let key = core.lanes.key((
        head.method.as_str(),
        head.uri.path(),
        head.uri.query(),
        bucket,
    ));
    let mut terms = Terms::new().key(key);
    let expected = route.and_then(|route| route.expected_cost(bucket));
    if let Some(cost) = expected {
        terms = terms.cost(cost);
    }
    terms = match route {
        // It may be of any route, and light ones are not to be refused. That is so until the first response.
        None => {
            let Pair { flow, probes } = core.unrouted.of(head.uri.path());
            let terms = terms.flow(flow).probe(probes);
            terms.patience(core.longest_patience)
        }
        Some(route) => match route.probes(bucket) {
            Some(probes) => terms.flow(route.flow()).probe(probes),
            None => terms.flow(route.flow()),
        },
    };
    if let Some(patience) = route.and_then(|route| route.patience()) {
        terms = terms.patience(patience);
    }
    if let Some(left) = core.underway.time_left() {
        // Half of a patience may be spent on waiting, and the run takes its time as well.
        let left = left.saturating_sub(expected.unwrap_or_default());
        terms = terms.patience(left);
    }
    if let Some(deadline) = deadline(core, head)? {
        // The client counts the run, too.
        terms = terms.patience(deadline.saturating_sub(expected.unwrap_or_default()));
    }
    Ok((terms, key))
}

fn deadline(core: &Core, head: &RequestHead) -> Result<Option<Duration>, BadDeadline> {
    let Some(header) = &core.deadline_header else {
        return Ok(None);
    };
    let Some(value) = head.headers.get(header) else {
        return Ok(None);
    };
    let millis = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match millis {
        Some(millis) => Ok(Some(Duration::from_millis(millis))),
        None => Err(BadDeadline {
            header: header.clone(),
        }),
    }
}
