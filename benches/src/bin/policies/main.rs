//! Compares ways to keep a queue under overload by a simulation that is the same on every machine.
//!
//! Two servers work off jobs that arrive at random; a policy decides who enters, who is next, and who is turned away. There
//! is no clock: a minute of arrivals takes a moment. The last policy is the code that the lanes run.
//!
//! ```text
//! cargo run --release -p offload-benches --bin policies
//! ```
#![forbid(unsafe_code)]

mod policy;
mod simulation;

use crate::{
    policy::{CoDel, Fair, Fifo, Newest, Policy},
    simulation::{Load, MS, Outcome, simulate},
};

/// Milliseconds that one of two servers needs for a job of the plain loads.
const JOB: u64 = 20 * MS;

fn main() {
    let policies: [fn() -> Box<dyn Policy>; 5] = [
        || Box::new(Fifo::bounded()),
        || Box::new(Fifo::with_admission()),
        || Box::new(CoDel::new(Newest::No)),
        || Box::new(CoDel::new(Newest::Yes)),
        || Box::new(Fair::default()),
    ];
    let plain = [0.8, 1.0, 1.2, 2.0, 10.0].map(|factor| Load {
        name: format!("{factor} x capacity"),
        main: (factor, vec![(1, JOB)]),
        small: None,
    });
    let mixed = Load {
        name: "1.5 x capacity, nine jobs of 5 ms to one of 200 ms".to_owned(),
        main: (1.5, vec![(9, 5 * MS), (1, 200 * MS)]),
        small: None,
    };
    let flood = Load {
        name: "10 x capacity, beside a flow of a quarter of it".to_owned(),
        main: (10.0, vec![(1, JOB)]),
        small: Some((0.25, JOB)),
    };
    println!("2 servers, 60 s of random arrivals, the same for all policies; times in ms\n");
    for load in plain.iter().chain([&mixed, &flood]) {
        println!("{}", load.name);
        println!(
            "  {:<24} {:>8} {:>9} {:>9} {:>12} {:>12} {:>10} {:>11}",
            "",
            "goodput",
            "wait p50",
            "wait p99",
            "refused p99",
            "refused max",
            "empty in",
            "small flow"
        );
        for policy in policies {
            let mut policy = policy();
            let outcome = simulate(load, &mut *policy);
            print_row(policy.name(), &outcome);
        }
        println!();
    }
}

fn print_row(name: &str, outcome: &Outcome) {
    let ms = |nanos: Option<u64>| match nanos {
        Some(nanos) => format!("{:.0}", nanos as f64 / MS as f64),
        None => "-".to_owned(),
    };
    let small = outcome.small.map(|part| format!("{:.0} %", part * 100.0));
    println!(
        "  {name:<24} {:>6.1} % {:>9} {:>9} {:>12} {:>12} {:>10} {:>11}",
        outcome.goodput * 100.0,
        ms(outcome.waited.quantile(0.5)),
        ms(outcome.waited.quantile(0.99)),
        ms(outcome.refused_after.quantile(0.99)),
        ms(outcome.refused_after.quantile(1.0)),
        ms(Some(outcome.empty_in)),
        small.as_deref().unwrap_or("-"),
    );
}
