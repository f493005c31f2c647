//! A server is told to end in the middle of its work.
//!
//! Every request has a connection of its own, so that none meets a keep-alive connection that the server is closing, which
//! HTTP/1.1 allows. A request that was sent at the last moment may still be in the kernel's queue of connections that the
//! server never accepted; only one that was out a while before the signal was surely accepted.

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use super::Scenario;
use crate::{
    alternative::Alternative,
    arrivals,
    client::{
        flood::{Connections, Flood},
        record::{Failure, Outcome, Record},
        records::Records,
        request::{self, Request},
    },
    process::{GRACE, Server},
    report::{
        check::Check,
        readings::{Readings, Unit},
        results::Results,
    },
    settings::Settings,
};

/// Sent longer than this before the signal is accepted.
const ACCEPTED: Duration = Duration::from_millis(50);
/// How much longer than its grace period a process is waited for.
const SLACK: Duration = Duration::from_secs(2);
const OUTSTANDING: usize = 1_000;
const SEED: u64 = 4;
const PHASE: &str = "drain";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "drain",
    about: "SIGTERM under mixed and overload, 50 times",
    criterion: Some(6),
    peers: false,
    measure,
    judge,
};

/// What became of the requests of one drain, and how long it took.
#[derive(Debug, Default)]
struct Drained {
    served: f64,
    refused: f64,
    cut: f64,
    cut_late: f64,
    not_accepted: f64,
    seconds: f64,
    killed: f64,
}

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let times = settings.pick(50, 5, 1);
    let mut readings = Readings::default();
    readings.phase(PHASE);
    let (mut sum, mut longest) = (Drained::default(), 0.0_f64);
    for time in 0..times {
        let drained = drain(settings, alternative, SEED + time, &mut readings)?;
        sum.served += drained.served;
        sum.refused += drained.refused;
        sum.cut += drained.cut;
        sum.cut_late += drained.cut_late;
        sum.not_accepted += drained.not_accepted;
        sum.killed += drained.killed;
        sum.seconds += drained.seconds;
        longest = longest.max(drained.seconds);
    }
    readings.put("drains", Unit::Count, times as f64);
    readings.put("answered 200", Unit::Count, sum.served);
    readings.put("answered 503", Unit::Count, sum.refused);
    readings.put("cut", Unit::Count, sum.cut);
    readings.put("cut at the signal", Unit::Count, sum.cut_late);
    readings.put("not accepted", Unit::Count, sum.not_accepted);
    readings.put("mean end", Unit::Seconds, sum.seconds / times as f64);
    readings.put("longest end", Unit::Seconds, longest);
    readings.put("did not end", Unit::Count, sum.killed);
    if alternative == Alternative::Auto && sum.cut > 0.0 {
        let what = format!("{} accepted requests had no answer", sum.cut);
        readings.broken.push(format!("{PHASE}: {what}"));
    }
    Ok(readings)
}

fn drain(
    settings: &Settings,
    alternative: Alternative,
    seed: u64,
    readings: &mut Readings,
) -> io::Result<Drained> {
    let mut server = Server::start(alternative)?;
    let before = settings.pick(1_200, 1_200, 300);
    let (before, after) = (Duration::from_millis(before), Duration::from_millis(100));
    let floods = load(settings, server.address, before + after, seed);
    let start = Instant::now();
    let (records, signal, status, ended) = thread::scope(|scope| -> io::Result<_> {
        let flooding: Vec<_> = floods
            .iter()
            .map(|flood| scope.spawn(move || flood.run(start)))
            .collect();
        thread::sleep((start + before).saturating_duration_since(Instant::now()));
        let signal = Instant::now();
        server.terminate()?;
        let status = server.wait(Duration::from_secs(GRACE) + SLACK)?;
        let ended = signal.elapsed();
        let mut records = Vec::new();
        for flooding in flooding {
            records.extend(flooding.join().expect("a client does not panic")?);
        }
        Ok((records, signal, status, ended))
    })?;
    let due = floods.iter().map(|flood| flood.due.len()).sum();
    let missing = Records(&records).unaccounted(due);
    readings
        .broken
        .extend(missing.map(|missing| format!("{PHASE}: {missing}")));
    Ok(sort(&records, signal, ended, status.is_some()))
}

/// Long jobs, short jobs, the light route, and more hashes than the cores can do.
fn load(settings: &Settings, address: SocketAddr, time: Duration, seed: u64) -> Vec<Flood> {
    let cores = settings.cores as f64;
    let flood = |request: Request, rate: f64, seed| Flood {
        address,
        request,
        due: arrivals::poisson(rate, time, seed),
        time,
        drain: Duration::from_secs(GRACE) + SLACK,
        outstanding: OUTSTANDING,
        connections: Connections::Fresh,
    };
    vec![
        flood(request::get("/burn?ms=500"), cores * 2.0, seed),
        flood(request::get("/burn?ms=5"), cores * 20.0, seed + 1),
        flood(request::hash(), cores * 60.0, seed + 2),
        flood(request::light(), 200.0, seed + 3),
    ]
}

fn sort(records: &[Record], signal: Instant, ended: Duration, by_itself: bool) -> Drained {
    let cut = |record: &&Record| {
        matches!(record.outcome, Outcome::Failed(failure) if failure != Failure::Connect)
            || record.outcome == Outcome::Unanswered
    };
    let accepted = |record: &&Record| record.sent.is_some_and(|sent| sent + ACCEPTED < signal);
    let all = Records(records);
    let cut_accepted = records.iter().filter(cut).filter(accepted).count();
    let cut_late = records.iter().filter(cut).count() - cut_accepted;
    Drained {
        served: all.status(200),
        refused: all.status(503),
        cut: cut_accepted as f64,
        cut_late: cut_late as f64,
        not_accepted: all.failed(Failure::Connect) + all.not_sent(),
        seconds: ended.as_secs_f64(),
        killed: if by_itself { 0.0 } else { 1.0 },
    }
}

fn judge(results: &Results) -> Vec<Check> {
    let auto = |column| results.auto(PHASE, column);
    vec![
        Check::at_most(
            "accepted requests without an answer",
            auto("cut"),
            Some(0.0),
        ),
        Check::at_most(
            "longest end in s, the grace period",
            auto("longest end"),
            Some(GRACE as f64),
        ),
        Check::at_most("processes that did not end", auto("did not end"), Some(0.0)),
    ]
}
