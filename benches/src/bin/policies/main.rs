//! Compares ways to keep a queue under overload by a simulation that is the same on every machine.
//!
//! Two servers work off jobs that arrive at random; a policy decides who enters, who is next, and who is turned away. There
//! is no clock: a minute of arrivals takes a moment. The last policies are the code that the lanes run.
//!
//! ```text
//! cargo run --release -p offload-benches --bin policies
//! ```
#![forbid(unsafe_code)]

mod load;
mod policy;
mod random;
mod report;
mod simulation;
#[cfg(test)]
mod tests;

use crate::{
    load::{Load, MS, Prediction, Source},
    policy::{Charges, CoDel, Fair, Fifo, Newest, Patience, Policy},
    report::{print_head, print_row},
    simulation::simulate,
};

/// Milliseconds that one of two servers needs for a job of the plain loads.
const JOB: u64 = 20 * MS;

fn main() {
    println!("2 servers, 60 s of random arrivals, the same for all policies; times in ms\n");
    for load in loads() {
        print_head(&load.name);
        let mut policies: Vec<Box<dyn Policy>> = vec![
            Box::new(Fifo::bounded()),
            Box::new(Fifo::with_admission()),
            Box::new(CoDel::new(Newest::No)),
            Box::new(CoDel::new(Newest::Yes)),
            Box::new(Fair::new(Patience::DEFAULT, Charges::Predicted)),
        ];
        if load.is_misjudged() {
            // Without misjudgements it makes no difference.
            policies.push(Box::new(Fair::new(Patience::DEFAULT, Charges::Actual)));
        }
        for mut policy in policies {
            let outcome = simulate(&load, &mut *policy);
            print_row(&policy.name(), &outcome);
        }
        println!();
    }
    compare_patience();
}

fn loads() -> Vec<Load> {
    let mut loads: Vec<Load> = [0.8, 1.0, 1.2, 2.0, 10.0]
        .into_iter()
        .map(|factor| Load::new(format!("{factor} x capacity"), Source::new(factor, JOB)))
        .collect();
    let mixed = Source {
        costs: vec![(9, 5 * MS), (1, 200 * MS)],
        ..Source::new(1.5, JOB)
    };
    loads.push(Load::new(
        "1.5 x capacity, nine jobs of 5 ms to one of 200 ms",
        mixed,
    ));
    let flood = Load::new(
        "10 x capacity, beside a flow of a quarter of it",
        Source::new(10.0, JOB),
    );
    loads.push(flood.beside(Source::new(0.25, JOB)));
    loads.push(Load {
        name: "2 x capacity, from 400 flows alike".to_owned(),
        sources: vec![Source::new(2.0 / 400.0, JOB); 400],
        watch_last: false,
    });
    let misjudged = Source::new(2.0, JOB).predicted(Prediction::TooLow(3));
    loads.push(Load::new(
        "2 x capacity, all jobs cost three times what is predicted",
        misjudged,
    ));
    let misjudged = Source::new(10.0, JOB).predicted(Prediction::TooLow(5));
    let flood = Load::new(
        "10 x capacity at a fifth of the real cost predicted, beside a flow of 0.4, rightly predicted",
        misjudged,
    );
    loads.push(flood.beside(Source::new(0.4, JOB)));
    let learned = Prediction::TooLowUntil(50, 10_000 * MS);
    loads.push(Load::new(
        "1.0 x capacity in jobs of 500 ms, of which for the first 10 s only 10 ms is predicted",
        Source::new(1.0, 500 * MS).predicted(learned),
    ));
    loads
}

/// What other rules of patience would have made of the fair queue.
fn compare_patience() {
    for factor in [1.0, 1.2, 2.0] {
        let load = Load::new(
            format!("{factor} x capacity, other rules of patience"),
            Source::new(factor, JOB),
        );
        print_head(&load.name);
        for (least, times, part) in [
            (100, 10, 2),
            (250, 10, 2),
            (500, 10, 1),
            (500, 10, 2),
            (500, 10, 4),
            (1_000, 10, 2),
            (2_000, 10, 2),
        ] {
            let patience = Patience {
                least,
                factor: times,
                part,
            };
            let outcome = simulate(&load, &mut Fair::new(patience, Charges::Predicted));
            let share = if part == 1 {
                String::new()
            } else {
                format!(" / {part}")
            };
            print_row(&format!("{least} ms, {times} x{share}"), &outcome);
        }
        println!();
    }
}
