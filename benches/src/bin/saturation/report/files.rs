//! The files of a run: everything that was measured as JSON, and a plot for each kind of curve.

use std::{fs, io, path::Path};

use serde::Serialize;

use super::{
    check::Check,
    curve::Over,
    machine::Machine,
    plot::{self, Line},
    results::{Drawn, Series},
};
use crate::scenario::Scenario;

/// The content of a JSON file.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) scenario: &'static str,
    pub(super) about: &'static str,
    pub(super) command: String,
    pub(super) machine: Machine,
    /// Cores that others used meanwhile, at worst; zero if it was not worth a word.
    pub(super) disturbed_cores: f64,
    pub(super) series: &'a [Series],
    pub(super) curves: &'a [Drawn],
    pub(super) checks: &'a [Check],
    pub(super) notes: &'a [String],
    pub(super) broken: &'a [String],
}

/// Writes `folder/SCENARIO.json` and the plots beside it, over what is there.
pub(super) fn write(folder: &Path, scenario: &Scenario, report: &Report<'_>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let json = serde_json::to_vec_pretty(report)?;
    fs::write(folder.join(format!("{}.json", scenario.name)), json)?;
    let mut kinds: Vec<(&str, &str, Over)> = report
        .curves
        .iter()
        .map(|drawn| (drawn.phase, drawn.what, drawn.curve.over))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (phase, what, over) in kinds {
        let kind = match over {
            Over::OneOf => "percentiles",
            Over::Seconds => "time",
            Over::Load => "load",
        };
        let name = [scenario.name, phase, what, kind]
            .join("-")
            .replace(' ', "-");
        let lines = lines(report.curves, phase, what, over);
        let title = format!("{}, {phase}: {what}", scenario.name);
        let heavy = heavy(report.curves, phase, what, over);
        plot::draw(
            &folder.join(format!("{name}.svg")),
            &title,
            over,
            &lines,
            heavy,
        )
        .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}

fn heavy(curves: &[Drawn], phase: &str, what: &str, over: Over) -> Option<(f64, f64)> {
    let mut same = curves
        .iter()
        .filter(|drawn| drawn.phase == phase && drawn.what == what && drawn.curve.over == over);
    same.find_map(|drawn| drawn.curve.heavy)
}

fn lines<'a>(curves: &'a [Drawn], phase: &str, what: &str, over: Over) -> Vec<Line<'a>> {
    let of =
        |drawn: &&Drawn| drawn.phase == phase && drawn.what == what && drawn.curve.over == over;
    let line = |drawn: &'a Drawn| Line {
        name: drawn.alternative.name(),
        colour: drawn.alternative.number(),
        points: &drawn.curve.points,
    };
    curves.iter().filter(of).map(line).collect()
}
