//! The experiment with which it began: somebody opens `/` while a few others keep one of the everyday blockers going.

use std::{io, thread, time::Instant};

use super::{Scenario, flows, layer};
use crate::{
    alternative::Alternative,
    client::{
        closed::Clients,
        record::Record,
        records::Records,
        request::{self, Request},
    },
    process::Server,
    report::{
        check::Check,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
};

/// Clients that keep a blocker going each.
const CLIENTS: usize = 4;
const JSON_SIZE: usize = 1 << 20;
/// What feels instant, in milliseconds.
const INSTANT: f64 = 100.0;

/// What keeps a core busy: its name, and how to ask for it.
type Blocker = (&'static str, fn() -> Request);

const BLOCKERS: [Blocker; 3] = [
    ("timer of 500 ms", || request::get("/burn?ms=500")),
    ("JSON of 1 MB", || request::json(JSON_SIZE)),
    ("argon2", request::hash),
];

pub(super) const SCENARIO: Scenario = Scenario {
    name: "everyday",
    about: "GET / at 400/s while 4 clients keep GET /burn?ms=500, POST /json of 1 MB or POST /hash going",
    criterion: None,
    peers: true,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let mut readings = Readings::default();
    for (blocker, request) in BLOCKERS {
        readings.phase(blocker);
        let server = Server::start(alternative)?;
        load(settings, alternative, &server, request(), &mut readings);
        server.stop(&mut readings)?;
    }
    Ok(readings)
}

fn load(
    settings: &Settings,
    alternative: Alternative,
    server: &Server,
    request: Request,
    readings: &mut Readings,
) {
    let (address, time) = (server.address, settings.load(20, 4));
    let light = flows::light(address, time);
    let heavy = Clients {
        address,
        request,
        count: CLIENTS,
    };
    let start = Instant::now();
    let (lit, kept): (Vec<Record>, Vec<Record>) = thread::scope(|scope| {
        let kept = scope.spawn(|| heavy.run_for(time));
        let lit = light.run(start);
        (lit, kept.join().expect("a client does not panic"))
    });
    let latencies = Records(&lit).latencies();
    readings.put_quantiles(
        &latencies,
        &[("/ p50", 0.5), ("/ p99", 0.99), ("/ max", 1.0)],
    );
    let latencies = Records(&kept).latencies();
    readings.put_quantiles(&latencies, &[("job p50", 0.5), ("job p99", 0.99)]);
    let rate = Records(&kept).goodput(start, time);
    readings.put("jobs", Unit::PerSecond, rate);
    readings.put("refused", Unit::Count, Records(&kept).status(503));
    readings.account(alternative, "light", &lit, light.due.len());
    readings.account(alternative, "jobs", &kept, kept.len());
}

fn judge(results: &Results) -> Vec<Check> {
    let check = |blocker: &str, alternative| {
        let what = format!("{blocker}, / feels instant, p99 in ms");
        let p99 = results.median(blocker, alternative, "/ p99");
        Check::at_most(what, p99, Some(INSTANT))
    };
    let mut checks = Vec::from(BLOCKERS.map(|(blocker, _)| check(blocker, Alternative::Auto)));
    for layer in layer::layers(results) {
        checks.extend(BLOCKERS.map(|(blocker, _)| check(blocker, layer).of(&layer.name())));
    }
    checks
}
