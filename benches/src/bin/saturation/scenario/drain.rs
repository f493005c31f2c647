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

/// What became of the requests of some drains, and how long these took.
#[derive(Debug, Default)]
pub(super) struct Drains {
    count: f64,
    served: f64,
    refused: f64,
    /// Accepted, and without an answer.
    pub(super) cut: f64,
    cut_late: f64,
    not_accepted: f64,
    seconds: f64,
    longest: f64,
    killed: f64,
}

impl Drains {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.served += other.served;
        self.refused += other.refused;
        self.cut += other.cut;
        self.cut_late += other.cut_late;
        self.not_accepted += other.not_accepted;
        self.seconds += other.seconds;
        self.longest = self.longest.max(other.longest);
        self.killed += other.killed;
    }

    /// Puts all of it into the phase that was begun last.
    fn put(&self, readings: &mut Readings) {
        readings.put("drains", Unit::Count, self.count);
        readings.put("answered 200", Unit::Count, self.served);
        readings.put("answered 503", Unit::Count, self.refused);
        readings.put("cut", Unit::Count, self.cut);
        readings.put("cut at the signal", Unit::Count, self.cut_late);
        readings.put("not accepted", Unit::Count, self.not_accepted);
        readings.put("mean end", Unit::Seconds, self.seconds / self.count);
        readings.put("longest end", Unit::Seconds, self.longest);
        readings.put("did not end", Unit::Count, self.killed);
    }
}

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let mut readings = Readings::default();
    readings.phase(PHASE);
    let times = settings.pick(50, 5, 1);
    let drains = drain(settings, alternative, times, &mut readings)?;
    if alternative == Alternative::Auto && drains.cut > 0.0 {
        let what = format!("{} accepted requests had no answer", drains.cut);
        readings.broken.push(format!("{PHASE}: {what}"));
    }
    Ok(readings)
}

/// Ends so many servers in the middle of their work, and puts what came of it into the phase that was begun last.
pub(super) fn drain(
    settings: &Settings,
    alternative: Alternative,
    times: u64,
    readings: &mut Readings,
) -> io::Result<Drains> {
    let mut drains = Drains::default();
    for time in 0..times {
        drains.add(&drain_once(settings, alternative, SEED + time, readings)?);
    }
    drains.put(readings);
    Ok(drains)
}

fn drain_once(
    settings: &Settings,
    alternative: Alternative,
    seed: u64,
    readings: &mut Readings,
) -> io::Result<Drains> {
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
        .extend(missing.map(|missing| format!("drain: {missing}")));
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

fn sort(records: &[Record], signal: Instant, ended: Duration, by_itself: bool) -> Drains {
    let cut = |record: &&Record| {
        matches!(record.outcome, Outcome::Failed(failure) if failure != Failure::Connect)
            || record.outcome == Outcome::Unanswered
    };
    let accepted = |record: &&Record| record.sent.is_some_and(|sent| sent + ACCEPTED < signal);
    let all = Records(records);
    let cut_accepted = records.iter().filter(cut).filter(accepted).count();
    let cut_late = records.iter().filter(cut).count() - cut_accepted;
    Drains {
        count: 1.0,
        served: all.status(200),
        refused: all.status(503),
        cut: cut_accepted as f64,
        cut_late: cut_late as f64,
        not_accepted: all.failed(Failure::Connect) + all.not_sent(),
        seconds: ended.as_secs_f64(),
        longest: ended.as_secs_f64(),
        killed: if by_itself { 0.0 } else { 1.0 },
    }
}

fn judge(results: &Results) -> Vec<Check> {
    checks(results, PHASE, Alternative::Auto).into()
}

/// What is wanted of the drains of a phase.
pub(super) fn checks(results: &Results, phase: &str, alternative: Alternative) -> [Check; 3] {
    let of = |column| results.median(phase, alternative, column);
    [
        Check::at_most("accepted requests without an answer", of("cut"), Some(0.0)),
        Check::at_most(
            "longest end in s, the grace period",
            of("longest end"),
            Some(GRACE as f64),
        ),
        Check::at_most("processes that did not end", of("did not end"), Some(0.0)),
    ]
}
