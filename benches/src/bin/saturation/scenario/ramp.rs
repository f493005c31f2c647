//! The light route while the heavy load goes from nothing to ten times what the cores can do, and in a storm that passes.

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use super::{Scenario, flows, layer};
use crate::{
    alternative::Alternative,
    arrivals,
    client::{
        flood::{Connections, Flood},
        record::Record,
        records::Records,
        request::{self, Request},
    },
    process::Server,
    report::{
        check::Check,
        curve::Curve,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
};

/// Names of the steps, and the heavy requests as a multiple of the capacity.
const STEPS: [(&str, f64); 7] = [
    ("idle", 0.0),
    ("0.25 x capacity", 0.25),
    ("0.5 x capacity", 0.5),
    ("1 x capacity", 1.0),
    ("2 x capacity", 2.0),
    ("5 x capacity", 5.0),
    ("10 x capacity", 10.0),
];
const IDLE: &str = STEPS[0].0;
const STORM: &str = "storm";
const STORM_LOAD: f64 = 2.0;
/// The most heavy requests that are outstanding.
const OUTSTANDING: usize = 1_000;
const SEED: u64 = 8;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ramp",
    about: "GET / at 400/s while GET /burn?ms=10 goes from nothing to 10 times the capacity",
    criterion: None,
    peers: true,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let mut readings = Readings::default();
    let mut p99 = Vec::new();
    for (step, load) in STEPS {
        readings.phase(step);
        let time = settings.load(10, 3);
        let stepped = Load {
            before: Duration::ZERO,
            heavy: time,
            after: Duration::ZERO,
            factor: load,
        };
        let lit = stepped.run(settings, alternative, &mut readings)?;
        p99.push((load, Records(&lit.records).latencies().ms(0.99)));
    }
    readings.phase("all steps");
    readings.draw("light p99", Curve::over_load(p99));
    readings.phase(STORM);
    let storm = Load {
        before: settings.span(4, 2),
        heavy: settings.load(6, 3),
        after: settings.span(8, 3),
        factor: STORM_LOAD,
    };
    let lit = storm.run(settings, alternative, &mut readings)?;
    let from = storm.before.as_secs_f64();
    let heavy = (from, from + storm.heavy.as_secs_f64());
    let curve = Curve::over_time(&lit.records, lit.start, heavy);
    readings.draw("light", curve);
    Ok(readings)
}

/// Light requests all the time, heavy ones for a part of it.
struct Load {
    before: Duration,
    heavy: Duration,
    after: Duration,
    factor: f64,
}

struct Lit {
    start: Instant,
    records: Vec<Record>,
}

impl Load {
    /// Each on a fresh server: an earlier step may have left a queue behind.
    fn run(
        &self,
        settings: &Settings,
        alternative: Alternative,
        readings: &mut Readings,
    ) -> io::Result<Lit> {
        let server = Server::start(alternative)?;
        let address = server.address;
        let burn = request::get("/burn?ms=10");
        flows::idle_light(address, settings.span(2, 1));
        let capacity = flows::capacity(address, &burn, settings.cores, settings.span(3, 1));
        let flood = self.flood(address, burn, capacity, settings.span(5, 2));
        let light = flows::light(address, self.before + self.heavy + self.after);
        let start = Instant::now();
        let (flooded, lit) = thread::scope(|scope| {
            let flooded = scope.spawn(|| flood.run(start + self.before));
            let lit = light.run(start);
            (flooded.join().expect("a client does not panic"), lit)
        });
        let flooded = flooded?;
        let quantiles = [
            ("light p50", 0.5),
            ("light p99", 0.99),
            ("light p99.9", 0.999),
            ("max", 1.0),
        ];
        readings.put_quantiles(&Records(&lit).latencies(), &quantiles);
        readings.put("capacity", Unit::PerSecond, capacity);
        let served = Records(&flooded).goodput(start + self.before, self.heavy);
        readings.put("served", Unit::PerSecond, served);
        readings.put("refused", Unit::Count, Records(&flooded).status(503));
        readings.put_quantiles(&Records(&flooded).latencies(), &[("heavy p99", 0.99)]);
        readings.account(alternative, "light", &lit, light.due.len());
        readings.account(alternative, "heavy", &flooded, flood.due.len());
        server.stop(readings)?;
        Ok(Lit {
            start,
            records: lit,
        })
    }

    fn flood(
        &self,
        address: SocketAddr,
        request: Request,
        capacity: f64,
        drain: Duration,
    ) -> Flood {
        let rate = capacity * self.factor;
        let due = if rate > 0.0 {
            arrivals::poisson(rate, self.heavy, SEED)
        } else {
            Vec::new()
        };
        Flood {
            address,
            request,
            due,
            time: self.heavy,
            drain,
            outstanding: OUTSTANDING,
            connections: Connections::KeptAlive,
        }
    }
}

fn judge(results: &Results) -> Vec<Check> {
    let idle = results.auto(IDLE, "light p99").map(|idle| idle * 1.5);
    let at_most = |(step, _): &(&str, f64)| {
        let what = format!("{step}, light p99 in ms, 1.5 x idle");
        Check::at_most(what, results.auto(step, "light p99"), idle)
    };
    let of_layers = |(step, _): &(&'static str, f64)| {
        let light = layer::Light {
            phase: step,
            p99: "light p99",
            idle: (IDLE, "light p99"),
        };
        layer::stays_light(results, &light)
    };
    let loaded = &STEPS[1..];
    let mut checks: Vec<Check> = loaded.iter().map(at_most).collect();
    checks.extend(loaded.iter().flat_map(of_layers));
    checks
}
