//! What all rounds gave, for all alternatives.

use std::{io, path::Path};

use serde::Serialize;

use super::{
    check::{Verdict, overall},
    curve::Curve,
    files::{self, Report},
    machine::Machine,
    readings::{Readings, Unit},
    table::{self, Row},
};
use crate::{alternative::Alternative, scenario::Scenario};

/// The values of one column, alternative and phase, a value for each round.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Series {
    phase: &'static str,
    alternative: Alternative,
    column: &'static str,
    unit: Unit,
    /// In JSON, what was not measured and what never came are null.
    values: Vec<f64>,
}

/// A curve of one round, and whose latencies it shows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Drawn {
    pub(super) phase: &'static str,
    pub(super) alternative: Alternative,
    pub(super) what: &'static str,
    #[serde(flatten)]
    pub(super) curve: Curve,
}

/// All readings of a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    series: Vec<Series>,
    curves: Vec<Drawn>,
    notes: Vec<String>,
    disturbed: f64,
    broken: Vec<String>,
}

impl Results {
    /// Adds the readings of one round.
    pub(crate) fn add(&mut self, scenario: &str, alternative: Alternative, readings: Readings) {
        for phase in &readings.phases {
            let drawn = phase.curves.iter().map(|(what, curve)| Drawn {
                phase: phase.name,
                alternative,
                what,
                curve: curve.clone(),
            });
            self.curves.extend(drawn);
            for reading in &phase.readings {
                let known = self.series.iter_mut().find(|series| {
                    series.phase == phase.name
                        && series.alternative == alternative
                        && series.column == reading.column
                });
                match known {
                    Some(series) => series.values.push(reading.value),
                    None => self.series.push(Series {
                        phase: phase.name,
                        alternative,
                        column: reading.column,
                        unit: reading.unit,
                        values: vec![reading.value],
                    }),
                }
            }
        }
        let name = alternative.name();
        if let Some(cores) = readings.disturbed {
            self.disturbed = self.disturbed.max(cores);
            self.notes.push(format!(
                "{name}: processes that do not belong to this run used {cores:.2} cores meanwhile"
            ));
        }
        let notes = readings.notes.into_iter();
        self.notes
            .extend(notes.map(|note| format!("{name}, {note}")));
        let broken = readings.broken.into_iter();
        self.broken
            .extend(broken.map(|what| format!("{scenario}, {name}, {what}")));
    }

    /// Notes that an alternative was not measured.
    pub(crate) fn skipped(&mut self, alternative: Alternative, why: &str) {
        self.notes
            .push(format!("{}: skipped, {why}", alternative.name()));
    }

    /// What must never happen and did.
    pub(crate) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// The median of the rounds; None if it was not measured.
    pub(crate) fn median(
        &self,
        phase: &str,
        alternative: Alternative,
        column: &str,
    ) -> Option<f64> {
        let series = self.series.iter().find(|series| {
            series.phase == phase && series.alternative == alternative && series.column == column
        })?;
        let median = median(&series.values);
        (!median.is_nan()).then_some(median)
    }

    /// As [`Results::median`] of `auto`.
    pub(crate) fn auto(&self, phase: &str, column: &str) -> Option<f64> {
        self.median(phase, Alternative::Auto, column)
    }

    /// The alternatives of which there is anything, in the order of reports.
    pub(crate) fn measured(&self) -> Vec<Alternative> {
        let all = self.series.iter().map(|series| series.alternative);
        let mut measured: Vec<Alternative> = all.collect();
        measured.sort_unstable();
        measured.dedup();
        measured
    }

    /// Prints the tables, the notes, and what the scenario's criterion says.
    pub(crate) fn print(&self, scenario: &Scenario) {
        println!("\n# {}: {}", scenario.name, scenario.about);
        let mut phases: Vec<&str> = self.series.iter().map(|series| series.phase).collect();
        phases.dedup();
        let mut printed: Vec<&str> = Vec::new();
        for phase in phases {
            if !printed.contains(&phase) {
                printed.push(phase);
                println!("\n{phase}");
                print!("{}", table::lay_out(&self.rows(phase)));
            }
        }
        if !self.notes.is_empty() {
            println!("\nnotes");
            self.notes.iter().for_each(|note| println!("  {note}"));
        }
        let checks = (scenario.judge)(self);
        println!();
        for check in &checks {
            println!("  {:<12} {check}", check.verdict());
        }
        let of = |wanted| {
            checks
                .iter()
                .filter(|check| check.verdict() == wanted)
                .count()
        };
        println!(
            "{}: {} ({} ok, {} missed, {} not measured)",
            scenario.title(),
            overall(&checks),
            of(Verdict::Ok),
            of(Verdict::Missed),
            of(Verdict::Open),
        );
        if self.disturbed > 0.0 {
            println!(
                "the machine was not quiet (up to {:.2} cores used by others): neither an ok nor a miss above proves anything",
                self.disturbed,
            );
        }
    }

    /// Writes all of it into files in `folder`.
    pub(crate) fn write(&self, folder: &Path, scenario: &Scenario) -> io::Result<()> {
        let checks = (scenario.judge)(self);
        let mut command = vec!["saturation".to_owned()];
        command.extend(std::env::args().skip(1));
        let report = Report {
            scenario: scenario.name,
            about: scenario.about,
            command: command.join(" "),
            machine: Machine::this(),
            disturbed_cores: self.disturbed,
            series: &self.series,
            curves: &self.curves,
            checks: &checks,
            notes: &self.notes,
            broken: &self.broken,
        };
        files::write(folder, scenario, &report)
    }

    fn rows(&self, phase: &str) -> Vec<Row> {
        let of = |alternative: Alternative| {
            self.series
                .iter()
                .filter(move |series| series.phase == phase && series.alternative == alternative)
        };
        let measured = self.measured().into_iter();
        measured
            .filter(|alternative| of(*alternative).next().is_some())
            .map(|alternative| Row {
                name: alternative.name(),
                cells: of(alternative)
                    .map(|series| (series.column, cell(series.unit, &series.values)))
                    .collect(),
            })
            .collect()
    }
}

/// The median, and from where to where the rounds went.
fn cell(unit: Unit, values: &[f64]) -> String {
    let middle = shown(unit, median(values));
    if values.len() == 1 {
        return middle;
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{middle} ({}..{})", shown(unit, least), shown(unit, most))
}

fn shown(unit: Unit, value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    if value.is_infinite() {
        return "never".to_owned();
    }
    match unit {
        Unit::Ms if value < 100.0 => format!("{value:.2} ms"),
        Unit::Ms => format!("{value:.0} ms"),
        Unit::PerSecond if value < 10.0 => format!("{value:.2}/s"),
        Unit::PerSecond => format!("{value:.1}/s"),
        Unit::Count => format!("{value:.0}"),
        Unit::Mib => format!("{value:.0} MiB"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Cores => format!("{value:.2}"),
    }
}

/// The value in the middle, the mean of the two if there are two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (
        sorted.get(sorted.len().saturating_sub(1) / 2),
        sorted.get(sorted.len() / 2),
    );
    match (low, high) {
        (Some(low), Some(high)) if low == high => *low,
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(value: f64) -> Readings {
        let mut readings = Readings::default();
        readings.phase("cold");
        readings.put("light p99", Unit::Ms, value);
        readings
    }

    #[test]
    fn the_median_is_that_of_the_rounds_of_one_alternative() {
        let mut results = Results::default();
        for value in [3.0, 1.0, 7.0] {
            results.add("mixed", Alternative::Auto, readings(value));
            results.add("mixed", Alternative::Block, readings(10.0 * value));
        }
        assert_eq!(results.auto("cold", "light p99"), Some(3.0));
        let block = results.median("cold", Alternative::Block, "light p99");
        assert_eq!(block, Some(30.0));
        assert_eq!(results.auto("warm", "light p99"), None);
        let rows = results.rows("cold");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].cells[0].1, "3.00 ms (1.00 ms..7.00 ms)");
    }

    #[test]
    fn nothing_measured_is_no_median() {
        let mut results = Results::default();
        results.add("mixed", Alternative::Auto, readings(f64::NAN));
        assert_eq!(results.auto("cold", "light p99"), None);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[f64::INFINITY, f64::INFINITY]), f64::INFINITY);
    }
}
