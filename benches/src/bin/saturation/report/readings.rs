//! What one measurement of one alternative gave.

use std::process::ExitStatus;

use serde::Serialize;

use super::curve::Curve;
use crate::{
    alternative::Alternative,
    client::{record::Record, records::Records},
};

/// How the numbers of a column are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Milliseconds.
    Ms,
    /// Something a second.
    PerSecond,
    /// Whole things.
    Count,
    /// Mebibytes.
    Mib,
    /// Seconds.
    Seconds,
    /// Cores that were busy on average.
    Cores,
}

/// One number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) column: &'static str,
    pub(crate) unit: Unit,
    /// Not a number if there was nothing to measure; infinite if it took longer than anybody waited.
    pub(crate) value: f64,
}

/// A part of a measurement, with a table of its own.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) readings: Vec<Reading>,
    /// Whose latencies, and how they are spread.
    pub(crate) curves: Vec<(&'static str, Curve)>,
}

/// All that one measurement gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    pub(crate) phases: Vec<Phase>,
    /// What a table does not show and a reader should know.
    pub(crate) notes: Vec<String>,
    /// Cores that processes which do not belong to the run used meanwhile, if that is enough to disturb it.
    pub(crate) disturbed: Option<f64>,
    /// What must never happen, whatever the machine.
    pub(crate) broken: Vec<String>,
}

impl Readings {
    /// Begins a part; what is put from now on belongs to it.
    pub(crate) fn phase(&mut self, name: &'static str) {
        self.phases.push(Phase {
            name,
            readings: Vec::new(),
            curves: Vec::new(),
        });
    }

    /// Puts a number into the part that was begun last.
    ///
    /// # Panics
    ///
    /// If none was begun.
    pub(crate) fn put(&mut self, column: &'static str, unit: Unit, value: f64) {
        let phase = self.phases.last_mut().expect("a phase was begun");
        phase.readings.push(Reading {
            column,
            unit,
            value,
        });
    }

    /// Adds a curve to the part that was begun last.
    ///
    /// # Panics
    ///
    /// If none was begun.
    pub(crate) fn draw(&mut self, what: &'static str, curve: Curve) {
        let phase = self.phases.last_mut().expect("a phase was begun");
        phase.curves.push((what, curve));
    }

    /// Puts several quantiles of latencies: `(column, quantile)`.
    pub(crate) fn put_quantiles(
        &mut self,
        latencies: &crate::client::records::Latencies,
        columns: &[(&'static str, f64)],
    ) {
        for (column, quantile) in columns {
            self.put(column, Unit::Ms, latencies.ms(*quantile));
        }
    }

    /// Notes that a server ended before it was told to, which ours must not do under any load.
    pub(crate) fn died(&mut self, alternative: Alternative, status: ExitStatus) {
        let phase = self.phases.last().map_or("", |phase| phase.name);
        let what = format!("{phase}: the server died, {status}");
        if alternative.is_ours() {
            self.broken.push(what);
        } else {
            self.notes.push(what);
        }
    }

    /// Accounts for every request of a flow that had `due` of them.
    pub(crate) fn account(
        &mut self,
        alternative: Alternative,
        flow: &str,
        records: &[Record],
        due: usize,
    ) {
        let records = Records(records);
        let phase = self.phases.last().map_or("", |phase| phase.name);
        let named = |what: String| format!("{phase}, {flow}: {what}");
        if let Some(missing) = records.unaccounted(due) {
            self.broken.push(named(missing));
        }
        if alternative.is_ours() && records.lost() > 0.0 {
            self.broken
                .push(named(format!("{} requests were lost", records.lost())));
        }
        self.notes.extend(records.oddities().map(named));
    }
}
