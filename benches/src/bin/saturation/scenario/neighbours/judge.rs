//! What is wanted beside strangers: what `web::block` gives at least, in all but the share of the cores that fewer threads get.

use super::{ALONE, DRAIN, SITUATIONS, Situation, load::HEAVY};
use crate::{
    alternative::Alternative,
    report::{check::Check, results::Results},
    scenario::drain,
};

/// The share of `web::block`'s answers that the plugin gives beside strangers at least. A thread gets as much of a core as a
/// stranger does, and the blocking pool has more threads at work than there are cores.
const SHARE: f64 = 0.7;

/// Checks the plugin as it is, and with each other setting that was measured beside it.
pub(super) fn judge(results: &Results) -> Vec<Check> {
    let mut plugins = results.measured();
    plugins.retain(|alternative| alternative.plugin().is_some());
    if plugins.is_empty() {
        plugins.push(Alternative::Auto);
    }
    plugins
        .iter()
        .flat_map(|plugin| checks(results, *plugin))
        .collect()
}

fn checks(results: &Results, plugin: Alternative) -> Vec<Check> {
    let name = plugin.name();
    let mut checks = Vec::new();
    let of = |column| results.median(ALONE.name, plugin, column);
    checks.push(Check::at_most(
        format!("{name}, alone, light p99 in ms, 1.5 x idle"),
        of("light p99"),
        of("idle p99").map(|idle| idle * 1.5),
    ));
    // What cannot be had on this machine is in the notes.
    let had = |situation: &&Situation| {
        let light = results.median(situation.name, plugin, "light p99");
        !situation.groups || light.is_some()
    };
    for situation in SITUATIONS.iter().filter(had) {
        if situation.strangers > 0 {
            checks.extend(beside(results, plugin, situation));
        }
        checks.push(Check::at_most(
            format!(
                "{name}, {}, refused of those who wait in turn",
                situation.name
            ),
            refused(results, plugin, situation),
            Some(0.0),
        ));
    }
    let drained = drain::checks(results, DRAIN, plugin);
    checks.extend(drained.map(|check| check.of(&format!("{name}, {DRAIN}"))));
    checks
}

/// As good as `web::block`.
fn beside(results: &Results, plugin: Alternative, situation: &Situation) -> Vec<Check> {
    let (name, place) = (plugin.name(), situation.name);
    let both = |phase: &str, column| {
        [plugin, Alternative::Block].map(|one| results.median(phase, one, column))
    };
    let latency = |column| {
        let [ours, block] = both(situation.name, column);
        let what = format!("{name}, {place}, {column} in ms, web::block's");
        Check::at_most(what, ours, block)
    };
    let answers = |phase: &str, column: &'static str| {
        let [ours, block] = both(phase, column);
        let what = format!("{name}, {place}, {column}/s, {SHARE} of web::block's");
        Check::at_least(what, ours, block.map(|block| block * SHARE))
    };
    let mut checks = vec![
        latency("light p99"),
        latency("4 ms p99"),
        answers(situation.name, "200 ms"),
    ];
    let heavy = HEAVY
        .iter()
        .map(|heavy| answers(situation.heavy, heavy.answers));
    checks.extend(heavy);
    checks
}

/// Refusals of short requests count as well: who refuses the slow ones has a fine p99.
fn refused(results: &Results, plugin: Alternative, situation: &Situation) -> Option<f64> {
    let of = |phase: &str, column| results.median(phase, plugin, column);
    let mut sum = of(situation.name, "4 ms refused")? + of(situation.name, "200 ms refused")?;
    for heavy in &HEAVY {
        sum += of(situation.heavy, heavy.refused)?;
    }
    Some(sum)
}
