//! The saturation harness: what users of a server feel when there is more heavy work than the cores can do.
//!
//! Every alternative serves the same small app in a process of its own; this process is the client. The flows of requests
//! are open loop where users would be: each latency counts from the moment at which its request was due, so that a server
//! that stalls is not excused from the requests it kept waiting. The alternatives are measured in turns, round by round,
//! so that a change of the machine's speed touches all of them.
//!
//! ```text
//! cargo run --release -p offload-benches --bin saturation -- --quick mixed overload
//! ```
#![forbid(unsafe_code)]

mod alternative;
mod arrivals;
mod attack;
mod client;
mod control_group;
mod limits;
mod peer;
mod priorities;
mod process;
mod report;
mod scenario;
mod server;
mod settings;
mod strangers;
mod usage;

use std::{io, process::ExitCode, time::Instant};

use crate::{
    alternative::Alternative,
    peer::Peer,
    report::results::Results,
    scenario::Scenario,
    settings::{Cli, Settings},
    usage::Machine,
};

/// The allocator of all alternatives, and of the cores without a server.
///
/// With the C library's it was left to chance what a hash costs: once a thread's memory has become fragmented, each hash
/// gives 19 MiB back to the system and fetches them again, which took up to a quarter of some threads' time, with rayon as
/// with lanes. This one keeps them for a moment.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Cores that others may use before a measurement is said to be disturbed.
const DISTURBED: f64 = 0.1;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The roles in which this program starts itself come first, because users never type them.
    let outcome = match args.first().map(String::as_str) {
        Some(process::SERVE) => server::serve(&args[1..]).map(|()| ExitCode::SUCCESS),
        Some(process::HASH) => server::hash_bare(&args[1..]).map(|()| ExitCode::SUCCESS),
        Some(strangers::ROLE) => strangers::compute(&args[1..]).map(|()| ExitCode::SUCCESS),
        _ => compare(&Cli::read()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("saturation: {error}");
        ExitCode::FAILURE
    })
}

fn compare(cli: &Cli) -> io::Result<ExitCode> {
    limits::raise_open_files();
    let settings = cli.settings();
    let mut broken = Vec::new();
    for scenario in cli.scenarios() {
        let results = run(scenario, &settings)?;
        results.print(scenario);
        results.write(&cli.out, scenario)?;
        println!(
            "written to {}/{}.json, plots beside it",
            cli.out.display(),
            scenario.name
        );
        broken.extend_from_slice(results.broken());
    }
    for what in &broken {
        println!("BROKEN: {what}");
    }
    Ok(if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run(scenario: &Scenario, settings: &Settings) -> io::Result<Results> {
    let mut results = Results::default();
    let served = served(scenario, settings, &mut results);
    for round in 1..=settings.rounds {
        for &alternative in &served {
            eprintln!(
                "{}: round {round} of {}, {}",
                scenario.name,
                settings.rounds,
                alternative.name(),
            );
            let (start, before) = (Instant::now(), Machine::now()?);
            let mut readings = (scenario.measure)(settings, alternative)?;
            let others = Machine::now()?.others_since(before).as_secs_f64();
            let others = others / start.elapsed().as_secs_f64();
            if others > DISTURBED {
                readings.disturbed = Some(others);
            }
            results.add(scenario.name, alternative, readings);
        }
    }
    Ok(results)
}

/// The alternatives that can be measured here; why not the others is said and noted.
fn served(scenario: &Scenario, settings: &Settings, results: &mut Results) -> Vec<Alternative> {
    let mut skip = |alternative: Alternative, why: String| {
        let name = alternative.name();
        eprintln!("{}: {name} is skipped: {why}", scenario.name);
        results.skipped(alternative, &why);
        false
    };
    let able = |alternative: &Alternative| {
        if let Some(why) = scenario.refuses(*alternative) {
            return skip(*alternative, why.to_owned());
        }
        match alternative.peer().map(Peer::prepare) {
            None | Some(Ok(())) => true,
            Some(Err(error)) => skip(*alternative, error.to_string()),
        }
    };
    settings.only.iter().copied().filter(able).collect()
}
