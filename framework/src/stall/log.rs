//! The line of the log that a report is, with the backtrace below it.

use std::{fmt, time::Duration};

use super::report::Stall;

/// Says that a stall lasts, and where its thread is unless the log was told that before; or that it is over.
pub(super) fn say(stall: &Stall, located: bool) {
    let elapsed_ms = millis(stall.elapsed);
    if stall.over {
        tracing::info!(
            target: "offload",
            event_loop = stall.event_loop,
            thread = %stall.thread,
            route = %stall.route,
            kind = %stall.kind,
            elapsed_ms,
            "{stall}",
        );
        return;
    }
    // The log gets the backtrace once a stall: it is that of one look, and the later lines would only bury it.
    let backtrace: &[String] = if located { &[] } else { &stall.backtrace };
    tracing::warn!(
        target: "offload",
        event_loop = stall.event_loop,
        thread = %stall.thread,
        route = %stall.route,
        kind = %stall.kind,
        elapsed_ms,
        on_cpu_ms = millis(stall.on_cpu),
        suppressed = stall.suppressed,
        "{stall}{}",
        Frames(backtrace),
    );
}

/// A backtrace below a line of the log.
struct Frames<'a>(&'a [String]);

impl fmt::Display for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, frame) in self.0.iter().enumerate() {
            write!(f, "\n  {number:>2}: {frame}")?;
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
