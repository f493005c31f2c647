//! The value of the `Server-Timing` header: where a response was made, how long it waited, how long it took.
//!
//! Developer tools show one line for each metric: its name, its description and, if it has one, its duration. So each
//! description reads well behind the name, and `place` and `thread`, which last no time, have no duration to mislead.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use offload_core::placement::Placement;

/// The value of the header for a response that was made at `place` by `thread`, had waited for `queued` and took `ran`.
#[must_use]
pub fn value(place: Placement, thread: &str, queued: Duration, ran: Duration) -> String {
    let (place, waited, run) = match place {
        Placement::Loop => ("loop", "no wait", "on its event loop"),
        Placement::Lane => ("lane", "waited for a lane", "on a lane"),
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
            value(
                Placement::Lane,
                "offload-short-1",
                micros(412),
                micros(52_100)
            ),
            "place;desc=\"lane\", thread;desc=\"offload-short-1\", \
             queue;dur=0.412;desc=\"waited for a lane\", run;dur=52.100;desc=\"on a lane\"",
        );
        assert_eq!(
            value(
                Placement::Loop,
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
            Placement::Lane,
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
