//! Flows of requests that several scenarios use.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    arrivals,
    client::{
        closed::Clients,
        paced::Flow,
        record::Record,
        records::Records,
        request::{self, Request},
    },
};

/// Requests a second to the light route.
pub(super) const LIGHT_RATE: f64 = 400.0;
const LIGHT_CONNECTIONS: usize = 16;
const SHORT_CONNECTIONS: usize = 32;

/// The light route at its usual rate.
pub(super) fn light(address: SocketAddr, time: Duration) -> Flow {
    Flow {
        address,
        request: request::light(),
        due: arrivals::even(LIGHT_RATE, time),
        time,
        connections: LIGHT_CONNECTIONS,
    }
}

/// Computations of 5 ms that come as those of many users do, so many a second.
pub(super) fn short(address: SocketAddr, rate: f64, time: Duration, seed: u64) -> Flow {
    Flow {
        address,
        request: request::get("/burn?ms=5"),
        due: arrivals::poisson(rate, time, seed),
        time,
        connections: SHORT_CONNECTIONS,
    }
}

/// Asks the light route alone, after the first requests, which teach and warm whatever there is.
pub(super) fn idle_light(address: SocketAddr, time: Duration) -> Vec<Record> {
    light(address, time / 4).run(Instant::now());
    light(address, time).run(Instant::now())
}

/// How many answers a second a server gives to twice as many clients as there are cores, which is what it can do.
pub(super) fn capacity(
    address: SocketAddr,
    request: &Request,
    cores: usize,
    time: Duration,
) -> f64 {
    let clients = Clients {
        address,
        request: request.clone(),
        count: 2 * cores,
    };
    // Whoever learns shall have learned before it is measured.
    clients.run_for(time / 4);
    let start = Instant::now();
    let records = clients.run_for(time);
    Records(&records).goodput(start, time)
}
