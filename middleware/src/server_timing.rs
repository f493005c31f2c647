//! The `Server-Timing` header: where a response was made, how long it waited, how long it took.

use std::{thread, time::Duration};

use actix_http::{
    ResponseHead,
    header::{HeaderName, HeaderValue},
};

use crate::{builder::ServerTiming, loop_side::context::Visit, offload::Core};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Says that a response was made on its event loop.
pub(crate) fn on_loop(core: &Core, head: &mut ResponseHead, visit: &Visit) {
    if core.server_timing == ServerTiming::On {
        let thread = thread::current();
        let place = thread.name().unwrap_or("event loop");
        append(head, "loop", place, Duration::ZERO, visit.cost());
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
    if core.server_timing == ServerTiming::On {
        append(head, "lane", thread.unwrap_or("lane"), queued, ran);
    }
}

/// Appends, because the handler may have timings of its own.
fn append(head: &mut ResponseHead, place: &str, thread: &str, queued: Duration, ran: Duration) {
    let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
    let value = format!(
        "place;desc=\"{place}\", thread;desc=\"{thread}\", queue;dur={:.3}, run;dur={:.3}",
        millis(queued),
        millis(ran),
    );
    // A thread may have a name that no header can carry.
    if let Ok(value) = HeaderValue::try_from(value) {
        head.headers.append(SERVER_TIMING, value);
    }
}
