//! The `Server-Timing` header: where a response was made, how long it waited, how long it took.
//!
//! Developer tools show one line for each metric: its name, its description and, if it has one, its duration. So each
//! description reads well behind the name, and `place` and `thread`, which last no time, have no duration to mislead.

use std::{
    fmt::{self, Write},
    thread,
    time::Duration,
};

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
        let thread = thread.name().unwrap_or("event loop");
        append(head, &Place::Loop, thread, Duration::ZERO, visit.cost());
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
        append(head, &Place::Lane, thread.unwrap_or("lane"), queued, ran);
    }
}

/// Appends, because the handler may have timings of its own.
fn append(head: &mut ResponseHead, place: &Place, thread: &str, queued: Duration, ran: Duration) {
    // A thread may have a name that no header can carry.
    if let Ok(value) = HeaderValue::try_from(value(place, thread, queued, ran)) {
        head.headers.append(SERVER_TIMING, value);
    }
}

enum Place {
    Loop,
    Lane,
}

fn value(place: &Place, thread: &str, queued: Duration, ran: Duration) -> String {
    let (place, waited, run) = match place {
        Place::Loop => ("loop", "no wait", "on its event loop"),
        Place::Lane => ("lane", "waited for a lane", "on a lane"),
    };
    let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
    format!(
        "place;desc=\"{place}\", thread;desc=\"{}\", queue;dur={:.3};desc=\"{waited}\", run;dur={:.3};desc=\"{run}\"",
        Quoted(thread),
        millis(queued),
        millis(ran),
    )
}

/// The inside of a quoted string of HTTP.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(letter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_well() {
        let micros = Duration::from_micros;
        assert_eq!(
            value(&Place::Lane, "offload-short-1", micros(412), micros(52_100)),
            "place;desc=\"lane\", thread;desc=\"offload-short-1\", \
             queue;dur=0.412;desc=\"waited for a lane\", run;dur=52.100;desc=\"on a lane\"",
        );
        assert_eq!(
            value(
                &Place::Loop,
                "actix-rt|system:0|arbiter:0",
                Duration::ZERO,
                micros(7)
            ),
            "place;desc=\"loop\", thread;desc=\"actix-rt|system:0|arbiter:0\", \
             queue;dur=0.000;desc=\"no wait\", run;dur=0.007;desc=\"on its event loop\"",
        );
    }

    #[test]
    fn a_strange_name_stays_inside_its_quotes() {
        let value = value(
            &Place::Lane,
            r#"a "b" \, c;dur=9"#,
            Duration::ZERO,
            Duration::ZERO,
        );
        assert!(
            value.contains(r#"thread;desc="a \"b\" \\, c;dur=9", queue"#),
            "{value}"
        );
    }
}
