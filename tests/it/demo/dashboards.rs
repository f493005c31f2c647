//! The dashboard and the alert rules ask for metrics and labels that a server under load really has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use actix_web::App;
use demo_app::{Demo, cli::Args, server::settings};
use offload_tests::{client::Client, server::TestServer};
use serde_json::Value;

use super::text;

/// What Prometheus itself puts on each series.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];
const DEADLINE: Duration = Duration::from_secs(60);

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each series' labels, by its name.
type Known = BTreeMap<String, BTreeSet<String>>;

/// All that the demo says of itself once everything has happened that it counts.
fn known() -> Known {
    let args = Args {
        threads: Some(2),
        ..Args::default()
    };
    let offload = settings(&args)
        .deadline_header("x-deadline")
        .build()
        .expect("the plugin starts");
    let demo = Demo::auto(offload.clone());
    let app = move || App::new().configure(|cfg| demo.routes(cfg));
    let server = TestServer::start(offload.app(app));
    let client = Client::new(server.addr());
    let status = |target: &str, headers: &[&str]| {
        let answer = client.ask("GET", target, headers, b"");
        answer.expect("an answer").status()
    };
    assert_eq!(status("/burn?ms=20", &[]), 200);
    let began = Instant::now();
    loop {
        assert_eq!(status("/inline/burn?ms=100", &[]), 200);
        // Nothing of 20 ms is done within one.
        status("/burn?ms=20", &["X-Deadline: 1"]);
        let metrics = client.get("/metrics").expect("an answer");
        let known = series(&text(&metrics));
        let happened = ["offload_stalls_total", "offload_requests_refused_total"];
        if happened.iter().all(|name| known.contains_key(*name)) {
            return known;
        }
        assert!(began.elapsed() < DEADLINE, "not all happened: {known:#?}");
    }
}

fn series(metrics: &str) -> Known {
    let mut known = Known::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, _)) = line.rsplit_once(' ') else {
            continue;
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",");
        let labels = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        known.entry(name.to_owned()).or_default().extend(labels);
    }
    known
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Checks one expression of PromQL: its metrics, the labels that these are selected by, and those that it groups by.
fn check(expression: &str, known: &Known) -> usize {
    let mut metrics = 0;
    let mut groups: BTreeSet<&str> = OF_PROMETHEUS.into();
    let mut rest = expression;
    while let Some(at) = rest.find("offload_") {
        let begins = !rest[..at].ends_with(is_of_name);
        let end = rest[at..].find(|c| !is_of_name(c));
        let (name, after) = rest[at..].split_at(end.unwrap_or(rest.len() - at));
        rest = after;
        if !begins {
            continue;
        }
        metrics += 1;
        let labels = known.get(name);
        let labels = labels.unwrap_or_else(|| panic!("no {name}, for which asks {expression}"));
        groups.extend(labels.iter().map(String::as_str));
        let Some(selector) = after.strip_prefix('{') else {
            continue;
        };
        let (selector, _) = selector.split_once('}').expect("it is closed");
        for matcher in selector.split("\",") {
            let label = matcher.split(['=', '!']).next().unwrap_or_default();
            assert!(
                labels.contains(label) || OF_PROMETHEUS.contains(&label),
                "{name} has no label {label:?}, by which asks {expression}"
            );
        }
    }
    for group in expression.split("by (").skip(1) {
        let (group, _) = group.split_once(')').expect("it is closed");
        for label in group.split(',').map(str::trim) {
            assert!(groups.contains(label), "no label {label:?}: {expression}");
        }
    }
    metrics
}

/// Every string under one of these keys.
fn strings<'a>(value: &'a Value, keys: &[&str], found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if keys.contains(&key.as_str()) => found.push(text),
                    _ => strings(value, keys, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, keys, found)),
        _ => {}
    }
}

/// The values of a key in a text of YAML, of one line or of several.
fn yaml_values(yaml: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = yaml.lines().peekable();
    let mut values = Vec::new();
    while let Some(line) = lines.next() {
        let Some(value) = line.trim_start().strip_prefix(key) else {
            continue;
        };
        let mut value = value.trim_start_matches(':').trim().to_owned();
        if value == "|" {
            value.clear();
            while let Some(more) = lines.next_if(|more| indent(more) > indent(line)) {
                value.push_str(more);
                value.push('\n');
            }
        }
        values.push(value);
    }
    values
}

#[test]
fn dashboard_and_rules_ask_for_what_there_is() {
    let known = known();
    let dashboard: Value =
        serde_json::from_str(&file("docs/grafana-dashboard.json")).expect("JSON");
    let (mut expressions, mut datasources) = (Vec::new(), Vec::new());
    strings(&dashboard, &["expr", "definition"], &mut expressions);
    assert!(expressions.len() > 25, "{expressions:?}");
    let asked: usize = expressions.iter().map(|asks| check(asks, &known)).sum();
    assert!(asked > 30, "{asked}");

    // Nobody has our data source.
    strings(&dashboard["panels"], &["uid"], &mut datasources);
    assert!(!datasources.is_empty());
    assert!(datasources.iter().all(|uid| *uid == "${DS_PROMETHEUS}"));

    // A legend that names a label which the expression dropped is empty.
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    for target in targets.flatten() {
        let asks = target["expr"].as_str().expect("a text");
        let legend = target["legendFormat"].as_str().expect("a text");
        for label in legend.split("{{").skip(1) {
            let label = label.split("}}").next().unwrap_or_default();
            let grouped = asks.split("by (").nth(1);
            let grouped = grouped.and_then(|group| group.split(')').next());
            let kept = grouped.is_none_or(|group| group.split(", ").any(|kept| kept == label));
            assert!(kept, "{legend}: {asks}");
        }
    }

    let rules = file("docs/prometheus-alerts.yml");
    let expressions = yaml_values(&rules, "expr:");
    assert!(expressions.len() > 8, "{expressions:?}");
    for asks in &expressions {
        assert!(check(asks, &known) > 0, "{asks}");
    }
}

#[test]
fn each_alert_is_complete_tested_and_has_its_section_in_the_docs() {
    let rules = file("docs/prometheus-alerts.yml");
    let tests = file("docs/prometheus-alerts.test.yml");
    let page = file("middleware/actix/src/find_what_blocks.md");
    let anchors: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .map(|heading| heading.replace(|c: char| !is_of_name(c) && c != '-', ""))
        .collect();
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 8);
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        for key in ["severity:", "summary:", "description:"] {
            assert_eq!(yaml_values(alert, key).len(), 1, "{name}: {key}");
        }
        let runbook = yaml_values(alert, "runbook_url:");
        let anchor = runbook.first().and_then(|url| url.split('#').nth(1));
        let anchor = anchor.unwrap_or_default().trim_matches('"');
        assert!(
            anchors.contains(anchor),
            "{name}: {anchor:?} of {anchors:?}"
        );
        assert!(
            tests.contains(&format!("alertname: {name}\n        exp_alerts:")),
            "no test in which {name} fires"
        );
    }
}
