//! What is asked beside the strangers: light, short and long requests at once, then each heavy route of the demo for itself.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::{
    alternative::Alternative,
    arrivals,
    client::{
        closed::Clients,
        paced::Flow,
        record::Record,
        records::Records,
        request::{self, Request},
    },
    report::readings::{Readings, Unit},
};

const LIGHT_RATE: f64 = 300.0;
const LIGHT_CONNECTIONS: usize = 16;
const SHORT_RATE: f64 = 30.0;
const SHORT_CONNECTIONS: usize = 32;
/// Clients that keep a long request going each.
const LONG_CLIENTS: usize = 6;
/// Clients that keep a request to a heavy route going each.
const HEAVY_CLIENTS: usize = 4;

/// A heavy route: how it is asked, and its columns.
pub(super) struct Heavy {
    request: fn() -> Request,
    /// Answers a second.
    pub(super) answers: &'static str,
    pub(super) refused: &'static str,
    p99: &'static str,
}

pub(super) const HEAVY: [Heavy; 4] = [
    Heavy {
        request: request::hash,
        answers: "argon2",
        refused: "argon2 refused",
        p99: "argon2 p99",
    },
    Heavy {
        request: || request::get("/sort?n=500000"),
        answers: "sort",
        refused: "sort refused",
        p99: "sort p99",
    },
    Heavy {
        request: || request::get("/json/stringify?items=20000"),
        answers: "stringify",
        refused: "stringify refused",
        p99: "stringify p99",
    },
    Heavy {
        request: || request::parse(1 << 20),
        answers: "parse",
        refused: "parse refused",
        p99: "parse p99",
    },
];

fn short() -> Request {
    request::get("/burn?ms=4")
}

fn long() -> Request {
    request::get("/burn?ms=200")
}

fn light(address: SocketAddr, time: Duration) -> Flow {
    Flow {
        address,
        request: request::light(),
        due: arrivals::even(LIGHT_RATE, time),
        time,
        connections: LIGHT_CONNECTIONS,
    }
}

/// Asks everything a few times, so that whoever learns has learned, and gives what the light route takes at rest.
pub(super) fn warm_up(address: SocketAddr, time: Duration) -> Vec<Record> {
    light(address, time / 4).run(Instant::now());
    let rest = light(address, time).run(Instant::now());
    let heavy = HEAVY.iter().map(|heavy| (heavy.request)());
    for request in [short(), long()].into_iter().chain(heavy) {
        let count = HEAVY_CLIENTS / 2;
        let few = Clients {
            address,
            request,
            count,
        };
        few.run_times(3);
    }
    rest
}

/// The records of light, short and long requests that were asked at once.
pub(super) struct Mixed {
    light: Vec<Record>,
    short: Vec<Record>,
    long: Vec<Record>,
    start: Instant,
    time: Duration,
}

/// Asks all three for `time`.
pub(super) fn mixed(address: SocketAddr, time: Duration) -> Mixed {
    let light = light(address, time);
    let short = Flow {
        request: short(),
        due: arrivals::even(SHORT_RATE, time),
        connections: SHORT_CONNECTIONS,
        ..light.clone()
    };
    let long = Clients {
        address,
        request: long(),
        count: LONG_CLIENTS,
    };
    let start = Instant::now();
    thread::scope(|scope| {
        let long = scope.spawn(|| long.run_for(time));
        let short = scope.spawn(|| short.run(start));
        Mixed {
            light: light.run(start),
            short: short.join().expect("a client does not panic"),
            long: long.join().expect("a client does not panic"),
            start,
            time,
        }
    })
}

impl Mixed {
    pub(super) fn put(&self, alternative: Alternative, readings: &mut Readings) {
        let (light, short, long) = (
            Records(&self.light),
            Records(&self.short),
            Records(&self.long),
        );
        let quantiles = [("light p50", 0.5), ("light p99", 0.99)];
        readings.put_quantiles(&light.latencies(), &quantiles);
        let quantiles = [("4 ms p50", 0.5), ("4 ms p99", 0.99)];
        readings.put_quantiles(&short.latencies(), &quantiles);
        readings.put("4 ms answered", Unit::Count, short.status(200));
        readings.put("4 ms refused", Unit::Count, short.status(503));
        let rate = long.goodput(self.start, self.time);
        readings.put("200 ms", Unit::PerSecond, rate);
        readings.put("200 ms refused", Unit::Count, long.status(503));
        let due = |rate| arrivals::even(rate, self.time).len();
        readings.account(alternative, "light", &self.light, due(LIGHT_RATE));
        readings.account(alternative, "4 ms", &self.short, due(SHORT_RATE));
        readings.account(alternative, "200 ms", &self.long, self.long.len());
    }
}

impl Heavy {
    /// Keeps the route busy for `time`; when that began, and the records.
    pub(super) fn ask(&self, address: SocketAddr, time: Duration) -> (Instant, Vec<Record>) {
        let clients = Clients {
            address,
            request: (self.request)(),
            count: HEAVY_CLIENTS,
        };
        (Instant::now(), clients.run_for(time))
    }

    pub(super) fn put(
        &self,
        alternative: Alternative,
        (start, records): &(Instant, Vec<Record>),
        time: Duration,
        readings: &mut Readings,
    ) {
        let of = Records(records);
        readings.put(self.answers, Unit::PerSecond, of.goodput(*start, time));
        readings.put(self.refused, Unit::Count, of.status(503));
        readings.put_quantiles(&of.latencies(), &[(self.p99, 0.99)]);
        readings.account(alternative, self.answers, records, records.len());
    }
}
