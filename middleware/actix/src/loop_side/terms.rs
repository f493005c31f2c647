//! On what terms a request comes to the lanes, with the deadline that its client gave it.

use std::{sync::Arc, time::Duration};

use actix_http::{RequestHead, header::HeaderName};
use offload_core::{JobKey, Terms, cost::SizeBucket, routes::Route};
use offload_http::{
    deadline,
    terms::{self, Limits, RequestLine},
};

use crate::core::Core;

/// The terms of a request, and the key under which its cost is remembered.
///
/// # Errors
///
/// The deadline header that the app has enabled, if this request has one that cannot be read.
pub(crate) fn of_request(
    core: &Core,
    head: &RequestHead,
    route: Option<&Arc<Route>>,
    bucket: SizeBucket,
) -> Result<(Terms, JobKey), HeaderName> {
    let line = RequestLine {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query(),
        bucket,
    };
    let limits = Limits {
        longest_patience: core.lanes.longest_patience(),
        time_left: core.underway.time_left(),
        deadline: deadline_of(core, head)?,
    };
    let terms = terms::of_request(&core.lanes, core.plugin.unrouted(), line, route, &limits);
    Ok(terms)
}

fn deadline_of(core: &Core, head: &RequestHead) -> Result<Option<Duration>, HeaderName> {
    let Some(header) = &core.deadline_header else {
        return Ok(None);
    };
    let Some(value) = head.headers.get(header) else {
        return Ok(None);
    };
    let deadline = deadline::millis(value.as_bytes());
    deadline.map(Some).ok_or_else(|| header.clone())
}
