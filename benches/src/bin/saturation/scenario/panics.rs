//! Handlers that panic, thousands of times.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use super::Scenario;
use crate::{
    alternative::Alternative,
    client::{closed::Clients, record::Failure, records::Records, request},
    process::Server,
    report::{
        check::Check,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
    usage::Usage,
};

const CONNECTIONS: usize = 16;
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS: u32 = 20;
const PHASE: &str = "panics";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "panics",
    about: "10,000 requests to a handler that panics, from 16 connections",
    criterion: Some(5),
    peers: false,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let server = Server::start(alternative)?;
    let asking = |path: &str| Clients {
        address: server.address,
        request: request::get(path),
        count: CONNECTIONS,
    };
    // Threads that are started by the first heavy requests are no consequence of panics.
    asking("/burn?ms=1").run_times(4);
    let before = steady(&server)?;
    let start = Instant::now();
    let each = settings.pick(625, 625, 20);
    let records = asking("/panic").run_times(each);
    let took = start.elapsed();
    let after = server.usage()?;

    let mut readings = Readings::default();
    readings.phase(PHASE);
    let of = Records(&records);
    readings.put("asked", Unit::Count, records.len() as f64);
    readings.put("500", Unit::Count, of.status(500));
    readings.put("cut", Unit::Count, of.failed(Failure::NoAnswer));
    readings.put("threads before", Unit::Count, before.threads);
    readings.put("threads after", Unit::Count, after.threads);
    readings.put("rss before", Unit::Mib, before.resident);
    readings.put("rss after", Unit::Mib, after.resident);
    readings.put(
        "rate",
        Unit::PerSecond,
        records.len() as f64 / took.as_secs_f64(),
    );
    // Whoever survived that also serves.
    let served = asking("/burn?ms=1").run_times(4);
    readings.put("served after", Unit::Count, Records(&served).status(200));
    readings.account(alternative, "panics", &records, each * CONNECTIONS);
    readings.account(alternative, "afterwards", &served, served.len());
    server.stop(&mut readings)?;
    Ok(readings)
}

/// What the server uses once as many threads are there as a moment ago: the one that looks up the names of functions for
/// backtraces ends soon after the start.
fn steady(server: &Server) -> io::Result<Usage> {
    let mut before = server.usage()?;
    for _ in 0..LOOKS {
        thread::sleep(LOOK_EVERY);
        let now = server.usage()?;
        if now.threads == before.threads {
            return Ok(now);
        }
        before = now;
    }
    Ok(before)
}

fn judge(results: &Results) -> Vec<Check> {
    let auto = |column| results.auto(PHASE, column);
    let (before, after) = (auto("threads before"), auto("threads after"));
    vec![
        Check::at_least(
            "answers 500, all that were asked",
            auto("500"),
            auto("asked"),
        ),
        Check::at_most("threads, not more", after, before),
        Check::at_least("threads, not fewer", after, before),
    ]
}
