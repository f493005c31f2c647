//! What an await costs a server whose handler runs on a lane, and what it costs on an event loop.
//!
//! The handler awaits twenty times and computes nothing; sixteen clients ask again as soon as they are answered. The server
//! is a process of its own, a fresh one for each number of lane threads and each round, and says itself what processor time
//! and how many context switches it used. The places are measured in turns, so that a change of the machine's speed touches
//! all.
//!
//! ```text
//! cargo bench -p offload-benches --bench await
//! cargo bench -p offload-benches --bench await -- timers sqlx --json FILE
//! cargo bench -p offload-benches --bench await -- --check
//! ```
//!
//! Words name the kinds of awaits, all if there are none. `--check` measures timers alone and fails where a lane's await takes
//! more context switches than it may: those a busy machine hardly changes, unlike times.
#![forbid(unsafe_code)]

mod client;
mod figures;
mod kind;
mod server;

use std::{env, io, net::SocketAddr, process::ExitCode, time::Duration};

use offload_benches::{keep, only_once};
use serde_json::Value;

use crate::{
    figures::{Figures, Load, Row},
    kind::{AWAITS, Kind},
    server::{Place, Server},
};

/// The context switches that an await of a timer on a lane may take.
const SWITCHES: f64 = 1.5;
/// What `--check` allows for other programs, whose wake-ups take cores away from the server, as a factor.
const ROOM: f64 = 1.5;
/// The lane threads of which `--check` measures the best of all rounds: others only add to it.
const CHECKED: [usize; 2] = [2, 64];

const PLACES: [Place; 5] = [
    Place::Loop,
    Place::Lanes(2),
    Place::Lanes(16),
    Place::Lanes(64),
    Place::Lanes(128),
];
const ROUNDS: usize = 3;
const LOAD: Load = Load {
    clients: 16,
    warm_up: Duration::from_millis(400),
    time: Duration::from_millis(1_500),
};
/// To see it run.
const MOMENT: Load = Load {
    clients: 2,
    warm_up: Duration::ZERO,
    time: Duration::ZERO,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let asked = |flag: &str| args.iter().any(|arg| arg == flag);
    let outcome = if args.first().is_some_and(|arg| arg == server::ROLE) {
        server::serve(&args[1..]).map(|()| ExitCode::SUCCESS)
    } else if only_once() {
        compare(&Kind::ALL, &[Place::Loop, Place::Lanes(2)], 1, MOMENT)
    } else if asked("--check") {
        check()
    } else {
        compare(&named(&args), &PLACES, ROUNDS, LOAD)
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("await: {error}");
        ExitCode::FAILURE
    })
}

/// The kinds that the command line names.
fn named(args: &[String]) -> Vec<Kind> {
    let is_named = |kind: &Kind| args.iter().any(|arg| arg == kind.name());
    let named: Vec<Kind> = Kind::ALL.into_iter().filter(is_named).collect();
    if named.is_empty() {
        Kind::ALL.into()
    } else {
        named
    }
}

fn compare(kinds: &[Kind], places: &[Place], rounds: usize, load: Load) -> io::Result<ExitCode> {
    let echo = client::echo()?;
    let mut rows: Vec<Row> = Vec::new();
    for round in 0..rounds {
        for &place in places {
            eprintln!("await: round {} of {rounds}, {place:?}", round + 1);
            let server = Server::start(place, echo)?;
            for &kind in kinds {
                let figures = Figures::measure(server.address, kind, load)?;
                let known = rows
                    .iter_mut()
                    .find(|row| (row.kind, row.place) == (kind, place));
                match known {
                    Some(row) => row.rounds.push(figures),
                    None => rows.push(Row {
                        kind,
                        place,
                        rounds: vec![figures],
                    }),
                }
            }
        }
    }
    println!(
        "a handler that awaits {AWAITS} times, {} clients, medians of {rounds} rounds",
        load.clients
    );
    for &kind in kinds {
        figures::print(kind, &rows);
    }
    Ok(keep(&Value::from_iter(rows.iter().map(Row::json))))
}

/// Whether an await of a timer takes no more context switches than it may.
fn check() -> io::Result<ExitCode> {
    let echo = client::echo()?;
    let limit = SWITCHES * ROOM;
    let mut kept = true;
    for threads in CHECKED {
        let switches = fewest(threads, echo)?;
        kept &= switches <= limit;
        println!(
            "await: {switches:.2} context switches per timer on {threads} lane threads, limit {limit:.2}"
        );
    }
    if !kept {
        eprintln!("await: over the limit");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn fewest(threads: usize, echo: SocketAddr) -> io::Result<f64> {
    let server = Server::start(Place::Lanes(threads), echo)?;
    let mut fewest = f64::INFINITY;
    for _ in 0..ROUNDS {
        let figures = Figures::measure(server.address, Kind::Timers, LOAD)?;
        fewest = fewest.min(figures.switches);
    }
    Ok(fewest)
}
