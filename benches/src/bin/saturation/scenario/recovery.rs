//! How long a server takes, after a flood has ended, until its users notice nothing any more.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use super::flows::LIGHT_RATE;
use crate::client::{
    connection::Connection,
    record::{Outcome, Record},
    records::{Latencies, Records},
    request::Request,
};

/// How often a heavy request is tried.
const PROBE: Duration = Duration::from_millis(20);
/// Requests to the light route whose p99 is looked at together: a quarter of a second of them.
const WINDOW: usize = (LIGHT_RATE / 4.0) as usize;

/// What a single heavy request takes on an idle server, in milliseconds: the median of a few.
pub(super) fn idle_time(address: SocketAddr, request: &Request) -> f64 {
    let mut connection = Connection::new(address);
    let times = (0..9).map(|_| {
        let start = Instant::now();
        connection.ask(request);
        start.elapsed()
    });
    Latencies::new(times).ms(0.5)
}

/// Seconds from `end` until a heavy request is answered within `limit_ms`; infinite if it takes more than `patience`.
pub(super) fn heavy(
    address: SocketAddr,
    request: &Request,
    limit_ms: f64,
    end: Instant,
    patience: Duration,
) -> f64 {
    let mut connection = Connection::new(address);
    while end.elapsed() < patience {
        let start = Instant::now();
        let outcome = connection.ask(request);
        let took = start.elapsed();
        let good = matches!(outcome, Outcome::Answered { status: 200, .. });
        if good && took.as_secs_f64() * 1e3 <= limit_ms {
            return (start + took - end).as_secs_f64();
        }
        thread::sleep(PROBE.saturating_sub(took));
    }
    f64::INFINITY
}

/// Seconds from `end` until the p99 of a window of light requests is at most `limit_ms`, by the records of a flow that
/// began at `end`; infinite if it never is.
pub(super) fn light(records: &[Record], limit_ms: f64, end: Instant) -> f64 {
    let mut records = records.to_vec();
    records.sort_by_key(|record| record.due);
    let normal = records
        .windows(WINDOW)
        .find(|window| Records(window).latencies().ms(0.99) <= limit_ms);
    normal.map_or(f64::INFINITY, |window| {
        window[0].due.saturating_duration_since(end).as_secs_f64()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::record::Refusal;

    #[test]
    fn the_light_route_is_back_when_a_whole_window_is_normal() {
        let end = Instant::now();
        let step = Duration::from_secs(1) / LIGHT_RATE as u32;
        let slow = 40;
        let records: Vec<Record> = (0..2 * WINDOW as u32)
            .map(|number| {
                let due = end + step * number;
                let took = Duration::from_millis(if number < slow { 9 } else { 1 });
                Record {
                    due,
                    sent: Some(due),
                    done: due + took,
                    outcome: Outcome::Answered {
                        status: 200,
                        refusal: Refusal::No,
                    },
                }
            })
            .collect();
        // The quantile is taken from above, so that one slow request of a hundred is still not normal.
        assert_eq!(light(&records, 2.0, end), (step * slow).as_secs_f64());
        assert_eq!(light(&records, 0.5, end), f64::INFINITY);
    }
}
