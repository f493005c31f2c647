//! One route is flooded; does another one, which asks for less than its share, notice?

use std::{io, thread, time::Instant};

use super::{Scenario, flows};
use crate::{
    alternative::Alternative,
    arrivals,
    client::{
        flood::{Connections, Flood},
        paced::Flow,
        records::Records,
        request,
    },
    process::Server,
    report::{
        check::Check,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
};

/// What one request of either route takes, in milliseconds.
const SERVICE_MS: f64 = 10.0;
/// The flood, in capacities.
const FLOOD: f64 = 10.0;
/// Half of the half that two routes with equal shares have.
const MODEST: f64 = 0.25;
const MODEST_CONNECTIONS: usize = 64;
const OUTSTANDING: usize = 3_000;
const SEED: u64 = 3;
const PHASE: &str = "b, alone and beside a flood of a";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fairness",
    about: "GET /a/burn?ms=10 at 10 times the capacity, GET /b/burn?ms=10 at a quarter of it",
    criterion: Some(3),
    peers: false,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let server = Server::start(alternative)?;
    let (address, time) = (server.address, settings.load(20, 5));
    let (a, b) = (request::get("/a/burn?ms=10"), request::get("/b/burn?ms=10"));
    let capacity = flows::capacity(address, &a, settings.cores, settings.span(4, 2));
    let modest = Flow {
        address,
        request: b,
        due: arrivals::poisson(capacity * MODEST, time, SEED),
        time,
        connections: MODEST_CONNECTIONS,
    };
    let flood = Flood {
        address,
        request: a,
        due: arrivals::poisson(capacity * FLOOD, time, SEED + 1),
        time,
        drain: settings.span(5, 2),
        outstanding: OUTSTANDING,
        connections: Connections::KeptAlive,
    };
    let alone = modest.run(Instant::now());
    let start = Instant::now();
    let (beside, flooded) = thread::scope(|scope| {
        let flooded = scope.spawn(|| flood.run(start));
        let beside = modest.run(start);
        (beside, flooded.join().expect("a client does not panic"))
    });
    let flooded = flooded?;

    let mut readings = Readings::default();
    readings.phase(PHASE);
    readings.put("capacity", Unit::PerSecond, capacity);
    readings.put_quantiles(
        &Records(&alone).latencies(),
        &[("alone p50", 0.5), ("alone p99", 0.99)],
    );
    readings.put_quantiles(
        &Records(&beside).latencies(),
        &[("beside p50", 0.5), ("beside p99", 0.99)],
    );
    let asked = beside.len() as f64 / time.as_secs_f64();
    readings.put("b asked", Unit::PerSecond, asked);
    readings.put(
        "b served",
        Unit::PerSecond,
        Records(&beside).status(200) / time.as_secs_f64(),
    );
    readings.put("b refused", Unit::Count, Records(&beside).status(503));
    readings.put(
        "a served",
        Unit::PerSecond,
        Records(&flooded).goodput(start, time),
    );
    readings.put("a refused", Unit::Count, Records(&flooded).status(503));
    readings.put_quantiles(&Records(&flooded).refusals(), &[("refusal p99", 0.99)]);
    readings.put("a lost", Unit::Count, Records(&flooded).lost());
    readings.put("a unanswered", Unit::Count, Records(&flooded).unanswered());
    readings.put("a not sent", Unit::Count, Records(&flooded).not_sent());
    readings.account(alternative, "b alone", &alone, modest.due.len());
    readings.account(alternative, "b", &beside, modest.due.len());
    readings.account(alternative, "a", &flooded, flood.due.len());
    server.stop(&mut readings)?;
    Ok(readings)
}

fn judge(results: &Results) -> Vec<Check> {
    let auto = |column| results.auto(PHASE, column);
    let limit = auto("alone p99").map(|alone| alone + 3.0 * SERVICE_MS);
    let served = auto("b asked").map(|asked| asked * 0.99);
    vec![
        Check::at_most(
            "b's p99 in ms, alone + 3 x 10 ms",
            auto("beside p99"),
            limit,
        ),
        // Who refuses the slow ones has a fine p99.
        Check::at_least("b served/s, 0.99 of asked", auto("b served"), served),
    ]
}
