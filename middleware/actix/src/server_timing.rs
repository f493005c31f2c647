//! The `Server-Timing` header: where a response was made, how long it waited, how long it took.

use std::{thread, time::Duration};

use actix_http::{
    ResponseHead,
    header::{HeaderName, HeaderValue},
};

use offload_core::placement::Placement;
use offload_http::server_timing::value;

use crate::core::Core;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Says that a response was made on its event loop.
#[inline]
pub(crate) fn on_loop(core: &Core, head: &mut ResponseHead, cost: Duration) {
    if core.server_timing {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("event loop");
        append(head, Placement::Loop, thread, Duration::ZERO, cost);
    }
}

/// Says that a response was made on a lane, by `thread`.
pub(crate) fn on_lane(
    core: &Core,
    head: &mut ResponseHead,
    thread: Option<&str>,
    queued: Duration,
    ran: Duration,
) {
    if core.server_timing {
        append(head, Placement::Lane, thread.unwrap_or("lane"), queued, ran);
    }
}

/// Appends, because the handler may have timings of its own.
fn append(
    head: &mut ResponseHead,
    place: Placement,
    thread: &str,
    queued: Duration,
    ran: Duration,
) {
    // A thread may have a name that no header can carry.
    if let Ok(value) = HeaderValue::try_from(value(place, thread, queued, ran)) {
        head.headers.append(SERVER_TIMING, value);
    }
}
