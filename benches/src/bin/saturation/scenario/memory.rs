//! What a server holds when everybody asks for memory at once.

use std::{io, thread, time::Instant};

use super::{Scenario, flows};
use crate::{
    alternative::Alternative,
    arrivals,
    client::{
        closed::Clients,
        flood::{Connections, Flood},
        record::Record,
        records::Records,
        request,
    },
    process::{self, Server},
    report::{
        check::Check,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
};

const HASH: &str = "200 clients of POST /hash";
const JSON: &str = "POST /json of 5 MB at 2 x capacity";
const BODY: usize = 5_000_000;
/// Every one of them is 5 MB on its way.
const OUTSTANDING: usize = 200;
const SEED: u64 = 5;
/// How often the server and the cores without one take turns.
const TURNS: u32 = 5;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "memory",
    about: "200 clients keep POST /hash going; a flood of 5 MB bodies to POST /json",
    criterion: Some(7),
    peers: true,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let mut readings = Readings::default();
    readings.phase(HASH);
    hashes(settings, alternative, &mut readings)?;
    readings.phase(JSON);
    bodies(settings, alternative, &mut readings)?;
    Ok(readings)
}

fn hashes(
    settings: &Settings,
    alternative: Alternative,
    readings: &mut Readings,
) -> io::Result<()> {
    let time = settings.load(20, 4) / TURNS;
    let bare_time = time / 2;
    let server = Server::start(alternative)?;
    let clients = Clients {
        address: server.address,
        request: request::hash(),
        count: settings.pick(200, 200, 20),
    };
    // In turns, because two hundredths are less than what the speed of a machine changes by itself.
    let mut records = Vec::new();
    let (mut rates, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        bares.push(process::bare_hash_rate(bare_time)?);
        let start = Instant::now();
        let turn = clients.run_for(time);
        rates.push(Records(&turn).goodput(start, time));
        records.extend(turn);
    }
    bares.push(process::bare_hash_rate(bare_time)?);
    readings.put("peak", Unit::Mib, server.usage()?.peak);
    readings.put("hashes", Unit::PerSecond, mean(&rates));
    readings.put("bare", Unit::PerSecond, mean(&bares));
    readings.put("refused", Unit::Count, Records(&records).status(503));
    readings.put_quantiles(
        &Records(&records).latencies(),
        &[("p50", 0.5), ("p99", 0.99)],
    );
    readings.account(alternative, "hashes", &records, records.len());
    server.stop(readings)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn bodies(
    settings: &Settings,
    alternative: Alternative,
    readings: &mut Readings,
) -> io::Result<()> {
    let server = Server::start(alternative)?;
    let (address, time) = (server.address, settings.load(15, 4));
    let size = settings.pick(BODY, BODY, BODY / 10);
    let request = request::json(size);
    let idle = flows::idle_light(address, settings.span(4, 2));
    let capacity = flows::capacity(address, &request, settings.cores, settings.span(4, 2));
    let before = server.usage()?;
    let flood = Flood {
        address,
        request,
        due: arrivals::poisson(2.0 * capacity, time, SEED),
        time,
        drain: settings.span(10, 5),
        outstanding: OUTSTANDING,
        connections: Connections::KeptAlive,
    };
    let start = Instant::now();
    let (flooded, lit) = beside_light(&flood, start)?;
    let goodput = Records(&flooded).goodput(start, time);
    readings.put_quantiles(&Records(&idle).latencies(), &[("idle p99", 0.99)]);
    readings.put_quantiles(
        &Records(&lit).latencies(),
        &[("light p99", 0.99), ("max", 1.0)],
    );
    let carried = only_carried(settings, &flood, size, goodput)?;
    readings.put_quantiles(&Records(&carried).latencies(), &[("only carried", 0.99)]);
    readings.put("capacity", Unit::PerSecond, capacity);
    readings.put("goodput", Unit::PerSecond, goodput);
    readings.put("refused", Unit::Count, Records(&flooded).status(503));
    readings.put_quantiles(&Records(&flooded).refusals(), &[("refusal p99", 0.99)]);
    readings.put("lost", Unit::Count, Records(&flooded).lost());
    readings.put("unanswered", Unit::Count, Records(&flooded).unanswered());
    readings.put("not sent", Unit::Count, Records(&flooded).not_sent());
    readings.put("rss before", Unit::Mib, before.resident);
    readings.put("peak", Unit::Mib, server.usage()?.peak);
    readings.account(alternative, "bodies", &flooded, flood.due.len());
    readings.account(
        alternative,
        "light",
        &lit,
        flows::light(address, time).due.len(),
    );
    server.stop(readings)
}

/// The flood's records, and those of the light route beside it.
fn beside_light(flood: &Flood, start: Instant) -> io::Result<(Vec<Record>, Vec<Record>)> {
    let light = flows::light(flood.address, flood.time);
    let (flooded, lit) = thread::scope(|scope| {
        let flooded = scope.spawn(|| flood.run(start));
        let lit = light.run(start);
        (flooded.join().expect("a client does not panic"), lit)
    });
    Ok((flooded?, lit))
}

/// The light route of bare actix, in which a handler gives as many such bodies back as were answered and nobody computes: what
/// is left of a core beside the copying alone, which clients on the same machine do as much of as the server.
fn only_carried(
    settings: &Settings,
    flood: &Flood,
    size: usize,
    rate: f64,
) -> io::Result<Vec<Record>> {
    let server = Server::start(Alternative::Inline)?;
    let mut ignored = Readings::default();
    flows::idle_light(server.address, settings.span(4, 2));
    let carried = Flood {
        address: server.address,
        request: request::carry(size),
        due: arrivals::poisson(rate, flood.time, SEED),
        ..flood.clone()
    };
    let (_, lit) = beside_light(&carried, Instant::now())?;
    server.stop(&mut ignored)?;
    Ok(lit)
}

fn judge(results: &Results) -> Vec<Check> {
    let auto = |column| results.auto(HASH, column);
    let block = results.median(HASH, Alternative::Block, "peak");
    vec![
        Check::at_most(
            "peak in MiB, 1/5 of web::block's",
            auto("peak"),
            block.map(|peak| peak / 5.0),
        ),
        Check::at_least(
            "hashes/s, 0.98 of what the cores do",
            auto("hashes"),
            auto("bare").map(|bare| bare * 0.98),
        ),
        // The issue sets no figure for bodies; web::block's is what one would have otherwise.
        Check::at_most(
            "peak under bodies in MiB, web::block's",
            results.auto(JSON, "peak"),
            results.median(JSON, Alternative::Block, "peak"),
        ),
    ]
}
