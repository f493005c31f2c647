//! Long, short and light requests at the same time.

use std::{io, thread, time::Instant};

use super::{Scenario, flows, layer};
use crate::{
    alternative::Alternative,
    client::{closed::Clients, record::Record, records::Records, request},
    process::Server,
    report::{
        check::Check,
        curve::Curve,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
};

/// Clients that keep a long request going each.
const LONG_CLIENTS: usize = 8;
/// Short requests a second.
const SHORT_RATE: f64 = 40.0;
const SEED: u64 = 1;
/// What a long and a short request burn, in seconds.
const LONG_COST: f64 = 0.5;
const SHORT_COST: f64 = 0.005;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mixed",
    about: "8 clients keep GET /burn?ms=500 going, GET /burn?ms=5 at 40/s, GET / at 400/s",
    criterion: Some(1),
    peers: true,
    measure,
    judge,
};

struct Measured {
    light: Vec<Record>,
    short: Vec<Record>,
    long: Vec<Record>,
}

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let server = Server::start(alternative)?;
    let mut readings = Readings::default();
    let idle = flows::idle_light(server.address, settings.span(8, 3));
    let latencies = Records(&idle).latencies();
    for phase in ["cold", "warm"] {
        readings.phase(phase);
        readings.put_quantiles(&latencies, &[("idle p50", 0.5), ("idle p99", 0.99)]);
        load(settings, alternative, &server, &mut readings);
    }
    readings.account(alternative, "idle", &idle, idle.len());
    server.stop(&mut readings)?;
    Ok(readings)
}

fn load(settings: &Settings, alternative: Alternative, server: &Server, readings: &mut Readings) {
    let (address, time) = (server.address, settings.load(30, 5));
    let light = flows::light(address, time);
    let short = flows::short(address, SHORT_RATE, time, SEED);
    let long = Clients {
        address,
        request: request::get("/burn?ms=500"),
        count: LONG_CLIENTS,
    };
    let start = Instant::now();
    let measured = thread::scope(|scope| {
        let long = scope.spawn(|| long.run_for(time));
        let short = scope.spawn(|| short.run(start));
        Measured {
            light: light.run(start),
            short: short.join().expect("a client does not panic"),
            long: long.join().expect("a client does not panic"),
        }
    });
    readings.draw("light", Curve::percentiles(&measured.light));
    readings.draw("5 ms jobs", Curve::percentiles(&measured.short));
    let latencies = Records(&measured.light).latencies();
    readings.put_quantiles(
        &latencies,
        &[("light p50", 0.5), ("light p99", 0.99), ("max", 1.0)],
    );
    let latencies = Records(&measured.short).latencies();
    readings.put_quantiles(&latencies, &[("5 ms p50", 0.5), ("5 ms p99", 0.99)]);
    let rate = Records(&measured.long).goodput(start, time);
    readings.put("500 ms jobs", Unit::PerSecond, rate);
    // Who serves no short jobs has time for more long ones.
    let short_rate = Records(&measured.short).goodput(start, time);
    let burnt = rate * LONG_COST + short_rate * SHORT_COST;
    readings.put("burnt", Unit::Cores, burnt);
    let refused = Records(&measured.short).status(503) + Records(&measured.long).status(503);
    readings.put("refused", Unit::Count, refused);
    readings.account(alternative, "light", &measured.light, light.due.len());
    readings.account(alternative, "5 ms", &measured.short, short.due.len());
    readings.account(alternative, "500 ms", &measured.long, measured.long.len());
}

fn judge(results: &Results) -> Vec<Check> {
    let mut checks = Vec::new();
    for phase in ["cold", "warm"] {
        let auto = |column| results.auto(phase, column);
        let of = |alternative, column, factor: f64| {
            let median = results.median(phase, alternative, column)?;
            Some(median * factor)
        };
        let at_most =
            |what: &str, value, limit| Check::at_most(format!("{phase}, {what}"), value, limit);
        let block = Alternative::Block;
        let (light, short) = (auto("light p99"), auto("5 ms p99"));
        let idle = of(Alternative::Auto, "idle p99", 1.5);
        checks.extend([
            at_most("light p99 in ms, 1.5 x idle", light, idle),
            at_most(
                "light p99 in ms, 1/4 of web::block's",
                light,
                of(block, "light p99", 0.25),
            ),
            at_most("5 ms p50 in ms", auto("5 ms p50"), Some(8.0)),
            at_most("5 ms p99 in ms", short, Some(15.0)),
            at_most(
                "5 ms p99 in ms, 1/5 of web::block's",
                short,
                of(block, "5 ms p99", 0.2),
            ),
            Check::at_least(
                format!("{phase}, 500 ms jobs/s, 0.95 of rayon's"),
                auto("500 ms jobs"),
                of(Alternative::Rayon, "500 ms jobs", 0.95),
            ),
            Check::at_least(
                format!("{phase}, cores' worth of both answered, 0.95 of rayon's"),
                auto("burnt"),
                of(Alternative::Rayon, "burnt", 0.95),
            ),
            // Whoever refuses the slow ones has a fine p99.
            at_most("refused", auto("refused"), Some(0.0)),
        ]);
        let light = layer::Light {
            phase,
            p99: "light p99",
            idle: (phase, "idle p99"),
        };
        checks.extend(layer::stays_light(results, &light));
    }
    checks
}
