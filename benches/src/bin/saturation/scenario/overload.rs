//! More password hashes than the cores can do: twice, and ten times as many.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Scenario, flows, layer, recovery};
use crate::{
    alternative::Alternative,
    arrivals,
    client::{
        flood::{Connections, Flood},
        record::Record,
        records::Records,
        request,
    },
    process::{self, Server},
    report::{
        check::Check,
        curve::Curve,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
    usage::Usage,
};

const PHASES: [(&str, f64); 2] = [("2 x capacity", 2.0), ("10 x capacity", 10.0)];
/// The most requests that the flood keeps outstanding.
const OUTSTANDING: usize = 3_000;
/// How often the memory of the server is looked at.
const SAMPLE: Duration = Duration::from_millis(100);
const SEED: u64 = 2;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "overload",
    about: "POST /hash at 2 and 10 times the capacity, GET / at 400/s",
    criterion: Some(2),
    peers: true,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let mut readings = Readings::default();
    for (phase, factor) in PHASES {
        readings.phase(phase);
        measure_at(settings, alternative, factor, &mut readings)?;
    }
    Ok(readings)
}

fn measure_at(
    settings: &Settings,
    alternative: Alternative,
    factor: f64,
    readings: &mut Readings,
) -> io::Result<()> {
    let bare = process::bare_hash_rate(settings.span(5, 2))?;
    let server = Server::start(alternative)?;
    let (address, hash) = (server.address, request::hash());
    let idle = flows::idle_light(address, settings.span(15, 4));
    let idle_hash = recovery::idle_time(address, &hash);
    let capacity = flows::capacity(address, &hash, settings.cores, settings.span(6, 2));

    let time = settings.load(60, 5);
    let flood = Flood {
        address,
        request: hash.clone(),
        due: arrivals::poisson(capacity * factor, time, SEED),
        time,
        drain: settings.span(15, 5),
        outstanding: OUTSTANDING,
        connections: Connections::KeptAlive,
    };
    let light = flows::light(address, time);
    let before = server.usage()?;
    let start = Instant::now();
    let end = start + time;
    let over = AtomicBool::new(false);
    let (flooded, lit, recovered, hash_recovered, samples) = thread::scope(|scope| {
        let samples = scope.spawn(|| sample(&server, &over));
        let flooded = scope.spawn(|| flood.run(start));
        let lit = scope.spawn(|| light.run(start));
        thread::sleep(end.saturating_duration_since(Instant::now()));
        over.store(true, Ordering::Relaxed);
        let limit = idle_hash * 2.0;
        let patience = flood.drain;
        let hashing = scope.spawn(move || recovery::heavy(address, &hash, limit, end, patience));
        let recovered = flows::light(address, settings.span(5, 3)).run(Instant::now());
        (
            flooded.join().expect("a client does not panic"),
            lit.join().expect("a client does not panic"),
            recovered,
            hashing.join().expect("a client does not panic"),
            samples.join().expect("looking does not panic"),
        )
    });
    let (flooded, samples) = (flooded?, samples?);

    let idle_latencies = Records(&idle).latencies();
    readings.put_quantiles(
        &idle_latencies,
        &[("idle p99", 0.99), ("idle p99.9", 0.999)],
    );
    readings.draw("light", Curve::percentiles(&lit));
    let latencies = Records(&lit).latencies();
    readings.put_quantiles(&latencies, &[("light p99", 0.99), ("light p99.9", 0.999)]);
    readings.put("bare", Unit::PerSecond, bare);
    readings.put("capacity", Unit::PerSecond, capacity);
    let goodput = Records(&flooded).goodput(start, time);
    readings.put("goodput", Unit::PerSecond, goodput);
    put_flood(&flooded, readings);
    let light_limit = idle_latencies.ms(0.99) * 2.0;
    let light_back = recovery::light(&recovered, light_limit, end);
    readings.put("light back", Unit::Seconds, light_back);
    readings.put("hash back", Unit::Seconds, hash_recovered);
    put_usage(before, &samples, readings);

    readings.account(alternative, "flood", &flooded, flood.due.len());
    readings.account(alternative, "light", &lit, light.due.len());
    readings.account(alternative, "idle", &idle, idle.len());
    readings.account(alternative, "light afterwards", &recovered, recovered.len());
    server.stop(readings)
}

fn put_flood(flooded: &[Record], readings: &mut Readings) {
    let records = Records(flooded);
    readings.put_quantiles(
        &records.latencies(),
        &[("hash p50", 0.5), ("hash p99", 0.99)],
    );
    readings.put("refused", Unit::Count, records.status(503));
    readings.put_quantiles(
        &records.refusals(),
        &[
            ("refusal p50", 0.5),
            ("refusal p99", 0.99),
            ("refusal max", 1.0),
        ],
    );
    readings.put("improper", Unit::Count, records.improper_refusals());
    readings.put("lost", Unit::Count, records.lost());
    readings.put("unanswered", Unit::Count, records.unanswered());
    readings.put("not sent", Unit::Count, records.not_sent());
}

/// Memory a while after the flood began, in its middle, and at its end.
fn put_usage(before: Usage, samples: &[Usage], readings: &mut Readings) {
    let resident = |at: usize| samples.get(at).map_or(f64::NAN, |usage| usage.resident);
    let last = samples.len().saturating_sub(1);
    readings.put("rss before", Unit::Mib, before.resident);
    readings.put("rss start", Unit::Mib, resident(samples.len() / 10));
    readings.put("rss middle", Unit::Mib, resident(samples.len() / 2));
    readings.put("rss end", Unit::Mib, resident(last));
    let cpu = samples.last().map_or(f64::NAN, |usage| {
        (usage.cpu - before.cpu).as_secs_f64() / (SAMPLE * samples.len() as u32).as_secs_f64()
    });
    readings.put("cores", Unit::Cores, cpu);
}

fn sample(server: &Server, over: &AtomicBool) -> io::Result<Vec<Usage>> {
    let mut samples = Vec::new();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(SAMPLE);
        samples.push(server.usage()?);
    }
    Ok(samples)
}

fn judge(results: &Results) -> Vec<Check> {
    let mut checks = Vec::new();
    for (phase, _) in PHASES {
        let auto = |column| results.auto(phase, column);
        let times = |column, factor: f64| Some(auto(column)? * factor);
        let at_most =
            |what: &str, value, limit| Check::at_most(format!("{phase}, {what}"), value, limit);
        // Nothing refused is nothing refused late.
        let latest = auto("refusal max").or(auto("refused").filter(|refused| *refused == 0.0));
        let capacity = times("capacity", 0.95);
        checks.extend([
            at_most(
                "light p99.9 in ms, 2 x idle",
                auto("light p99.9"),
                times("idle p99.9", 2.0),
            ),
            Check::at_least(
                format!("{phase}, goodput/s, 0.95 of capacity"),
                auto("goodput"),
                capacity,
            ),
            at_most("latest refusal in ms", latest, Some(5.0)),
            at_most("improper refusals", auto("improper"), Some(0.0)),
            // A queue that is longer than anybody waits refuses nothing, and answers nobody either.
            at_most("unanswered in the end", auto("unanswered"), Some(0.0)),
            at_most("light back, s", auto("light back"), Some(1.0)),
            at_most("hash back, s", auto("hash back"), Some(1.0)),
            at_most(
                "rss end in MiB, 1.1 x start",
                auto("rss end"),
                times("rss start", 1.1),
            ),
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
