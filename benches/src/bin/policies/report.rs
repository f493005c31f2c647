//! The tables.
//!
//! | column | what it is |
//! | --- | --- |
//! | goodput | what was worked off, as a part of what the servers could do |
//! | wait | of the jobs that were worked off |
//! | refused | how long after they came jobs were turned away |
//! | late | the part of all that came that was turned away more than 5 ms after it came |
//! | empty in | from the last arrival until nothing is left |
//! | small flow | the part of its jobs that was worked off, and how long 99 % of these waited at most |

use crate::{load::MS, simulation::Outcome};

/// The line above a table.
pub(crate) fn print_head(name: &str) {
    println!("{name}");
    println!(
        "  {:<24} {:>8} {:>9} {:>9} {:>12} {:>12} {:>7} {:>10} {:>11} {:>9}",
        "",
        "goodput",
        "wait p50",
        "wait p99",
        "refused p99",
        "refused max",
        "late",
        "empty in",
        "small flow",
        "its p99",
    );
}

/// What one policy made of it.
pub(crate) fn print_row(name: &str, outcome: &Outcome) {
    let ms = |nanos: Option<u64>| match nanos {
        Some(nanos) => format!("{:.0}", nanos as f64 / MS as f64),
        None => "-".to_owned(),
    };
    let watched = outcome.watched.as_ref();
    let served = watched.map(|flow| format!("{:.0} %", flow.served() * 100.0));
    println!(
        "  {name:<24} {:>6.1} % {:>9} {:>9} {:>12} {:>12} {:>7} {:>10} {:>11} {:>9}",
        outcome.goodput * 100.0,
        ms(outcome.waited.quantile(0.5)),
        ms(outcome.waited.quantile(0.99)),
        ms(outcome.refused_after.quantile(0.99)),
        ms(outcome.refused_after.quantile(1.0)),
        format!("{:.1} %", outcome.late() * 100.0),
        ms(Some(outcome.empty_in)),
        served.as_deref().unwrap_or("-"),
        ms(watched.and_then(|flow| flow.waited.quantile(0.99))),
    );
}
