//! A burst after quiet, as a page of thumbnails over several connections sends it: alone, and on top of a steady flow.
//!
//! By default the plugin answers a burst whole if its last request would wait for less than ten seconds at the speed that the
//! lane really has. What is more than that has to be refused, and how much could be answered is said beside it.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use super::{Scenario, flows, rest};
use crate::{
    alternative::Alternative,
    arrivals,
    client::{
        flood::{Connections, Flood},
        record::Record,
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

/// How many come at once, and what the tables are called.
struct Burst {
    size: usize,
    alone: &'static str,
    beside: &'static str,
}

const BURSTS: [Burst; 4] = [
    Burst {
        size: 10,
        alone: "10 at once",
        beside: "10 at once, beside a steady flow",
    },
    Burst {
        size: 40,
        alone: "40 at once",
        beside: "40 at once, beside a steady flow",
    },
    Burst {
        size: 100,
        alone: "100 at once",
        beside: "100 at once, beside a steady flow",
    },
    Burst {
        size: 200,
        alone: "200 at once",
        beside: "200 at once, beside a steady flow",
    },
];

/// The default of `burst_patience`, in seconds.
const PATIENCE: f64 = 10.0;
/// What of those who could wait in time has to be answered. The rest is for what the lane learns of its speed while it drains.
const NEARLY: f64 = 0.9;
/// The steady flow, as a part of the capacity.
const STEADY: f64 = 0.3;
/// How long the steady flow is there before the burst.
const LEAD: Duration = Duration::from_secs(2);
/// Longer than any alternative takes for the largest burst.
const DRAIN: Duration = Duration::from_secs(120);
/// How long nothing comes before a burst, once the server has nothing to do.
const QUIET: Duration = Duration::from_secs(2);
const OUTSTANDING: usize = 1_000;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bursts",
    about: "10 to 200 of GET /burn?ms=300 at once, alone, and beside the same at 0.3 of the capacity and GET / at 400/s",
    criterion: None,
    peers: true,
    measure,
    judge,
};

fn measure(settings: &Settings, alternative: Alternative) -> io::Result<Readings> {
    let server = Server::start(alternative)?;
    let load = Load {
        settings,
        alternative,
        server: &server,
        request: request::get(&format!("/burn?ms={}", settings.pick(300, 300, 30))),
    };
    let mut readings = Readings::default();
    for burst in &BURSTS[..settings.pick(4, 2, 1)] {
        readings.phase(burst.alone);
        load.alone(burst.size, &mut readings)?;
        readings.phase(burst.beside);
        load.beside(burst.size, &mut readings)?;
    }
    server.stop(&mut readings)?;
    Ok(readings)
}

/// What all bursts have in common.
struct Load<'a> {
    settings: &'a Settings,
    alternative: Alternative,
    server: &'a Server,
    request: request::Request,
}

impl Load<'_> {
    fn alone(&self, size: usize, readings: &mut Readings) -> io::Result<()> {
        let before = self.capacity_and_rest()?;
        let start = Instant::now();
        let burst = self.burst(size, Duration::ZERO).run(start)?;
        self.put_burst(&burst, start, before, &[], readings);
        readings.account(self.alternative, "burst", &burst, size);
        Ok(())
    }

    fn beside(&self, size: usize, readings: &mut Readings) -> io::Result<()> {
        let before = self.capacity_and_rest()?;
        let (address, time) = (self.server.address, self.length(size));
        let lead = self.settings.pick(LEAD, LEAD, LEAD / 10);
        let steady = Flood {
            due: arrivals::even(before * STEADY, time),
            time,
            ..self.burst(size, Duration::ZERO)
        };
        let light = flows::light(address, time);
        let burst = self.burst(size, lead);
        let start = Instant::now();
        let (burst, steadily, lit) = thread::scope(|scope| {
            let burst = scope.spawn(|| burst.run(start));
            let steadily = scope.spawn(|| steady.run(start));
            let lit = light.run(start);
            (
                burst.join().expect("a client does not panic"),
                steadily.join().expect("a client does not panic"),
                lit,
            )
        });
        let (burst, steadily) = (burst?, steadily?);
        self.put_burst(&burst, start + lead, before, &steadily, readings);
        let of = Records(&steadily);
        readings.put("steady", Unit::Count, steadily.len() as f64);
        readings.put("steady refused", Unit::Count, of.status(503));
        readings.put_quantiles(&of.latencies(), &[("steady p99", 0.99)]);
        // Only while the burst is there: before it light requests have nothing to wait for.
        let meanwhile: Vec<Record> = lit
            .iter()
            .filter(|record| record.due >= start + lead)
            .copied()
            .collect();
        readings.put_quantiles(
            &Records(&meanwhile).latencies(),
            &[("light p50", 0.5), ("light p99", 0.99), ("light max", 1.0)],
        );
        readings.account(self.alternative, "burst", &burst, size);
        readings.account(self.alternative, "steady", &steadily, steady.due.len());
        readings.account(self.alternative, "light", &lit, light.due.len());
        Ok(())
    }

    /// A burst on connections of its own, so long after the start.
    fn burst(&self, size: usize, after: Duration) -> Flood {
        Flood {
            address: self.server.address,
            request: self.request.clone(),
            due: vec![after; size],
            time: after,
            drain: DRAIN,
            outstanding: OUTSTANDING,
            connections: Connections::KeptAlive,
        }
    }

    /// How long the flows beside a burst last, for all alternatives alike: until a server that refuses nothing has worked
    /// it off on all cores, or what may wait of it if that is less.
    fn length(&self, size: usize) -> Duration {
        let cost = self.settings.pick(0.3, 0.3, 0.03);
        let work = size as f64 * cost / self.settings.cores as f64;
        let drained = work.min(PATIENCE) / (1.0 - STEADY);
        let after = self.settings.pick(1.0, 1.0, 0.1);
        self.settings.pick(LEAD, LEAD, LEAD / 10) + Duration::from_secs_f64(drained + after)
    }

    /// How many answers a second there are now, when nothing else is asked for. Waits then until all of it is done and
    /// forgotten.
    fn capacity_and_rest(&self) -> io::Result<f64> {
        let (address, settings) = (self.server.address, self.settings);
        rest::wait_until_free(self.server, DRAIN)?;
        let time = settings.span(6, 3);
        let capacity = flows::capacity(address, &self.request, settings.cores, time);
        rest::wait_until_free(self.server, DRAIN)?;
        thread::sleep(settings.pick(QUIET, QUIET, QUIET / 10));
        Ok(capacity)
    }

    /// `before` is how many were answered a second before the burst, `others` what was asked of the same route meanwhile.
    ///
    /// Who waits for how long follows from the lower of two speeds, before and during the burst: the lane could know no more
    /// than the first, and the machine may have had other things to do since.
    fn put_burst(
        &self,
        burst: &[Record],
        start: Instant,
        before: f64,
        others: &[Record],
        readings: &mut Readings,
    ) {
        let (size, cores) = (burst.len() as f64, self.settings.cores as f64);
        let of = Records(burst);
        let after = |at: Instant| at.saturating_duration_since(start).as_secs_f64();
        let last = |status| of.last_of(status).map_or(f64::NAN, after);
        let end = last(200);
        let answered_by_then = |record: &&Record| {
            record.done >= start && after(record.done) <= end && record.has_status(200)
        };
        let all = burst.iter().chain(others);
        let during = all.filter(answered_by_then).count() as f64 / end;
        let speed = before.min(during);
        readings.put("before", Unit::PerSecond, before);
        readings.put("during", Unit::PerSecond, during);
        readings.put("last waits", Unit::Seconds, (size - cores).max(0.0) / speed);
        let could = (PATIENCE * speed + cores).floor().min(size);
        readings.put("in 10 s", Unit::Count, could);
        readings.put("answered", Unit::Count, of.status(200));
        readings.put("refused", Unit::Count, of.status(503));
        readings.put("last answer", Unit::Seconds, end);
        let refusals = of.refusals();
        readings.put("refusal p50", Unit::Ms, refusals.ms(0.5));
        readings.put("last refusal", Unit::Ms, last(503) * 1e3);
    }
}

fn judge(results: &Results) -> Vec<Check> {
    let mut checks = Vec::new();
    for burst in &BURSTS {
        for phase in [burst.alone, burst.beside] {
            let auto = |column| results.auto(phase, column);
            // A size that this run left out.
            let Some(wait) = auto("last waits") else {
                continue;
            };
            checks.push(if wait < PATIENCE {
                let what = format!("{phase}, refused, as the last waits for less than 10 s");
                Check::at_most(what, auto("refused"), Some(0.0))
            } else {
                let could = auto("in 10 s").map(|could| could * NEARLY);
                let what = format!("{phase}, answered, 0.9 of those that wait for less than 10 s");
                Check::at_least(what, auto("answered"), could)
            });
        }
        let auto = results.auto(burst.beside, "light p99");
        let block = results.median(burst.beside, Alternative::Block, "light p99");
        if auto.is_some() {
            let what = format!("{}, light p99 in ms, web::block's", burst.beside);
            checks.push(Check::at_most(what, auto, block));
        }
    }
    checks
}
