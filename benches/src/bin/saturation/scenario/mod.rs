//! The scenarios as data: what each measures, and what its criterion says to that.

mod bursts;
mod drain;
mod everyday;
mod fairness;
mod flows;
mod gone;
mod hostile;
mod memory;
mod mixed;
mod neighbours;
mod overload;
mod panics;
mod ramp;
mod recovery;
mod rest;

use std::io;

use crate::{
    alternative::Alternative,
    report::{check::Check, readings::Readings, results::Results},
    settings::Settings,
};

/// Something that can happen to a server.
pub(crate) struct Scenario {
    /// Its name on the command line and in reports.
    pub(crate) name: &'static str,
    /// What happens in it.
    pub(crate) about: &'static str,
    /// The number of the criterion that it checks, if there is one.
    pub(crate) criterion: Option<u32>,
    /// Whether the servers of other frameworks have the routes that it takes.
    pub(crate) peers: bool,
    /// Measures one alternative once, on a fresh server.
    pub(crate) measure: fn(&Settings, Alternative) -> io::Result<Readings>,
    /// Compares what was measured with what is wanted.
    pub(crate) judge: fn(&Results) -> Vec<Check>,
}

impl Scenario {
    /// What its checks are called in reports.
    pub(crate) fn title(&self) -> String {
        match self.criterion {
            Some(number) => format!("criterion {number} ({})", self.name),
            None => self.name.to_owned(),
        }
    }

    /// All of them, in the order in which they run.
    pub(crate) const ALL: [Self; 12] = [
        mixed::SCENARIO,
        overload::SCENARIO,
        fairness::SCENARIO,
        gone::SCENARIO,
        panics::SCENARIO,
        drain::SCENARIO,
        memory::SCENARIO,
        ramp::SCENARIO,
        everyday::SCENARIO,
        neighbours::SCENARIO,
        bursts::SCENARIO,
        hostile::SCENARIO,
    ];
}
