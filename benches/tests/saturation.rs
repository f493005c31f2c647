//! The saturation harness runs, accounts for every request, and leaves no process behind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Where a test's files go.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn saturation(arguments: &[&str]) -> Output {
    let last = arguments.last().expect("what to measure");
    Command::new(env!("CARGO_BIN_EXE_saturation"))
        .arg("--out")
        .arg(folder(last))
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

/// The peer `axum` is left out here: it is built first, which takes minutes.
#[test]
fn the_layer_is_compared_with_what_is_written_by_hand() {
    let compared = "axum-offload,axum-rayon,axum-inline";
    let output = saturation(&["--smoke", "everyday", "--only", compared]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    for alternative in compared.split(',') {
        assert!(row(&report, alternative).len() > 5, "{report}");
    }
    let check = "axum-offload, argon2, / feels instant, p99 in ms: ";
    assert!(report.contains(check), "{report}");

    let output = saturation(&["--smoke", "ramp", "hostile", "--only", "axum-offload"]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    let check = "axum-offload, 10 x capacity, light p99 in ms, 1.5 x idle: ";
    assert!(report.contains(check), "{report}");
    let skipped = "axum-offload: skipped, what is attacked is on actix only";
    assert!(report.contains(skipped), "{report}");
}

#[test]
fn the_layer_serves_on_smol() {
    let compared = "smol-offload,smol-unblock,smol-inline";
    let output = saturation(&["--smoke", "mixed", "drain", "--only", compared]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    for alternative in compared.split(',') {
        assert!(row(&report, alternative).len() > 5, "{report}");
    }
    let check = "smol-offload, warm, light p99 in ms, 1/2 of the best by hand or 1.5 x idle: ";
    assert!(report.contains(check), "{report}");
    let skipped = "smol-unblock: skipped, it ends at once";
    assert!(report.contains(skipped), "{report}");
}

#[test]
fn strangers_come_and_the_server_is_measured_beside_them() {
    let output = saturation(&["--smoke", "--only", "block", "neighbours"]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    for table in [
        "alone",
        "1 stranger",
        "1 stranger, heavy routes",
        "drain beside 2 strangers",
    ] {
        assert!(report.contains(&format!("\n{table}\n")), "{report}");
    }
    // Only the plugin is judged.
    let check = "not measured auto, 1 stranger, refused of those who wait in turn";
    assert!(report.contains(check), "{report}");
}

#[test]
fn a_burst_is_answered_and_what_could_be_is_said() {
    let output = saturation(&["--smoke", "--only", "auto", "bursts"]);
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    for table in ["10 at once", "10 at once, beside a steady flow"] {
        assert!(report.contains(&format!("\n{table}\n")), "{report}");
    }
    assert!(report.contains("light p99 in ms, web::block's"), "{report}");
}

#[test]
fn attacks_reach_the_server_and_the_loops_are_looked_at() {
    let arguments = ["--smoke", "--only", "auto", "--attacks", "streams,sleepers"];
    let output = saturation(&[&arguments[..], &["hostile"]].concat());
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}\n{progress}");
    for table in ["without attacks", "with attacks", "attack: sleepers"] {
        assert!(report.contains(&format!("\n{table}\n")), "{report}");
    }
    assert!(!report.contains("attack: held bodies"), "{report}");
    let check = "longest poll of a loop in ms, 2 x the dearest: ";
    assert!(report.contains(check), "{report}");
}

#[test]
fn a_stranger_ends_by_itself() {
    let stranger = |ms: &str| {
        let mut stranger = Command::new(env!("CARGO_BIN_EXE_saturation"));
        stranger.args(["stranger", ms]).stdin(Stdio::piped());
        stranger.spawn().expect("starts")
    };
    let mut left = stranger("600000");
    drop(left.stdin.take());
    left.wait()
        .expect("ends when nobody holds its standard input");
    let mut brief = stranger("20");
    // To wait for a child closes its standard input, which must not be what ends it here.
    let held = brief.stdin.take();
    let status = brief.wait().expect("ends when its time is over");
    assert!(status.success(), "{status}");
    drop(held);
}

/// A server, and the pipe to another child, could hold what a stranger waits for to close.
#[cfg(target_os = "linux")]
#[test]
fn strangers_end_with_a_harness_that_is_killed() {
    let mut harness = Command::new(env!("CARGO_BIN_EXE_saturation"))
        .arg("--out")
        .arg(folder("killed"))
        .args(["--smoke", "--only", "inline", "neighbours"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let pids = until("a stranger", || {
        let pids = strangers_of(harness.id());
        (!pids.is_empty()).then_some(pids)
    });
    harness.kill().expect("runs");
    harness.wait().expect("ends");
    until("the end of the strangers", || {
        pids.iter().all(|pid| !is_stranger(*pid)).then_some(())
    });
}

/// The strangers among the processes that `pid` has started.
#[cfg(target_os = "linux")]
fn strangers_of(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = tasks.into_iter().flatten().filter_map(|task| {
        let children = task.ok()?.path().join("children");
        fs::read_to_string(children).ok()
    });
    let pids: Vec<u32> = lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect();
    pids.into_iter().filter(|pid| is_stranger(*pid)).collect()
}

/// Who has ended has no command line, also if nobody has asked for its status yet.
#[cfg(target_os = "linux")]
fn is_stranger(pid: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split('\0').any(|word| word == "stranger")
}

#[cfg(target_os = "linux")]
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited for {what} in vain");
}
