//! The scenarios as data: what each measures, and what its criterion says to that.

mod bursts;
mod drain;
mod everyday;
mod fairness;
mod flows;
mod gone;
mod hostile;
mod layer;
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

    /// Why this alternative cannot be measured in it, if it cannot.
    pub(crate) fn refuses(&self, alternative: Alternative) -> Option<&'static str> {
        let is = |other: &Self| self.name == other.name;
        let on_actix = !alternative.is_on_axum() && !alternative.is_on_smol();
        if alternative.peer().is_some() && !self.peers {
            return Some("it has not all the routes");
        }
        if is(&hostile::SCENARIO) && !on_actix {
            return Some("what is attacked is on actix only");
        }
        if is(&drain::SCENARIO) && alternative.is_on_smol() {
            return Some("it ends at once");
        }
        None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let refused = |scenario: &Scenario, alternative| scenario.refuses(alternative).is_some();
        for alternative in [
            Alternative::AxumOffload,
            Alternative::Axum,
            Alternative::AxumRayon,
            Alternative::AxumInline,
            Alternative::SmolOffload,
        ] {
            for scenario in [mixed::SCENARIO, ramp::SCENARIO, everyday::SCENARIO] {
                assert!(!refused(&scenario, alternative), "{}", scenario.name);
            }
            assert!(refused(&hostile::SCENARIO, alternative));
        }
        assert!(refused(&gone::SCENARIO, Alternative::Go));
        assert!(refused(&drain::SCENARIO, Alternative::SmolOffload));
        assert!(!refused(&drain::SCENARIO, Alternative::AxumOffload));
        assert!(!refused(&hostile::SCENARIO, Alternative::Auto));
    }
}
