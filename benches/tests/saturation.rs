//! The saturation harness runs, accounts for every request, and leaves no process behind.

use std::process::{Command, Output};

fn saturation(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_saturation"))
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
