//! The saturation harness runs, accounts for every request, and leaves no process behind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Where a test's files go.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn saturation(arguments: &[&str]) -> Output {
    let scenario = arguments.last().expect("a scenario");
    Command::new(env!("CARGO_BIN_EXE_saturation"))
        .arg("--out")
        .arg(folder(scenario))
        .args(arguments)
        .output()
        .expect("starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The line of a table that begins with this name.
fn row<'a>(report: &'a str, name: &str) -> Vec<&'a str> {
    let line = report
        .lines()
        .find(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("no row {name} in:\n{report}"))
        .split_whitespace()
        .collect()
}

#[test]
fn panics_are_answered_and_counted() {
    let output = saturation(&["--smoke", "--only", "auto,inline", "panics"]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    // Columns: asked, 500, cut. A bare handler that panics takes its connection along.
    assert_eq!(row(&report, "auto")[1..4], ["320", "320", "0"], "{report}");
    assert_eq!(
        row(&report, "inline")[1..4],
        ["320", "0", "320"],
        "{report}"
    );
    assert!(report.contains("criterion 5 (panics): "), "{report}");
}

#[test]
fn jobs_of_clients_that_left_are_counted() {
    let output = saturation(&["--smoke", "--only", "auto,rayon", "gone"]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    assert_eq!(row(&report, "auto")[1], "50", "{report}");
    // Columns: vanished, began in time, while leaving, after. Rayon forgets nothing that it was given.
    let began: u32 = row(&report, "rayon")[2..5]
        .iter()
        .map(|count| count.parse::<u32>().expect("a count"))
        .sum();
    assert!(began > 0, "{report}");
    assert!(report.contains("criterion 4 (gone): "), "{report}");
}

#[test]
fn what_cannot_be_run_is_refused_with_its_name() {
    let output = saturation(&["--smoke", "sunshine"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("sunshine"));
}

#[test]
fn everything_that_was_measured_is_in_files() {
    let output = saturation(&["--smoke", "--only", "auto,block", "ramp"]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    let folder = folder("ramp");
    let json = fs::read(folder.join("ramp.json")).expect("a file");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert!(json["machine"]["cores"].as_u64() > Some(0), "{json}");
    let series = json["series"].as_array().expect("series");
    for alternative in ["auto", "block"] {
        let p99 = series.iter().find(|series| {
            series["alternative"] == alternative
                && series["phase"] == "2 x capacity"
                && series["column"] == "light p99"
        });
        let p99 = p99.unwrap_or_else(|| panic!("no series of {alternative}"));
        assert!(p99["values"][0].as_f64() > Some(0.0), "{p99}");
    }
    for plot in ["ramp-all-steps-light-p99-load", "ramp-storm-light-time"] {
        let svg = fs::read_to_string(folder.join(plot).with_extension("svg")).expect("a plot");
        assert!(
            svg.starts_with("<svg") && svg.contains("<polyline"),
            "{plot}"
        );
        for name in ["auto", "web::block"] {
            assert!(svg.contains(name), "{plot} lacks {name}");
        }
    }
}
