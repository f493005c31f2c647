//! The demo tells what the plugin does: in its report, its metrics and on each answer.

use std::collections::{BTreeMap, BTreeSet};

use demo_app::cli::Mode;
use offload_tests::connection::Connection;
use serde_json::Value;

use super::{Running, text};

fn timing(demo: &Running, target: &str) -> String {
    let answer = demo.get(target);
    assert_eq!(answer.status(), 200, "{demo} {target}: {}", text(&answer));
    answer
        .header("server-timing")
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn answers_say_where_they_were_made() {
    let demo = Running::start(Mode::Auto);
    for (target, place) in [
        ("/timer?ms=5", "lane"),
        ("/burn?ms=5", "lane"),
        ("/sort?n=10000", "lane"),
        ("/json/stringify?items=5000", "lane"),
        ("/inline/timer?ms=5", "loop"),
        ("/inline/burn?ms=5", "loop"),
        ("/inline/sort?n=10000", "loop"),
        ("/inline/json/stringify?items=5000", "loop"),
        ("/block/timer?ms=5", "loop"),
        ("/block/burn?ms=5", "loop"),
        ("/block/sort?n=10000", "loop"),
        ("/block/json/stringify?items=5000", "loop"),
        ("/_offload/routes", "loop"),
        ("/metrics", "loop"),
    ] {
        // Not only the first request, after which a placement may be learned.
        for _ in 0..2 {
            let timing = timing(&demo, target);
            assert!(
                timing.starts_with(&format!("place;desc=\"{place}\"")),
                "{target}: {timing}"
            );
            assert!(
                timing.contains("queue;dur=") && timing.contains("run;dur="),
                "{timing}"
            );
        }
    }
    for (target, place) in [
        ("/hash", "lane"),
        ("/inline/hash", "loop"),
        ("/block/hash", "loop"),
    ] {
        let password = r#"{"password": "x"}"#;
        let answer = demo.client().post_json(target, password);
        let answer = answer.expect("an answer");
        let timing = answer.header("server-timing").unwrap_or_default();
        assert!(
            timing.starts_with(&format!("place;desc=\"{place}\"")),
            "{target}: {timing}"
        );
    }
}

#[test]
fn without_the_plugin_there_is_nothing_to_say() {
    let demo = Running::start(Mode::Off);
    assert_eq!(timing(&demo, "/burn?ms=1"), "");
    let report = demo.get_json("/_offload/routes");
    assert_eq!(report["mode"], "off");
    assert_eq!(report["routes"], Value::Array(Vec::new()));
    let samples = samples(&text(&demo.get("/metrics")));
    assert_eq!(samples["demo_up"], 1.0);
    assert_eq!(samples["demo_offload_enabled"], 0.0);
}

#[test]
fn the_live_page_is_there_with_the_plugin_only() {
    let on = Running::start(Mode::Auto);
    let page = on.get("/_offload/");
    assert_eq!(page.status(), 200);
    assert!(text(&page).starts_with("<!doctype html>"));
    let state = on.get_json("/_offload/state");
    assert_eq!(state["lanes"][0]["threads"], 2);
    let off = Running::start(Mode::Off);
    assert_eq!(off.get("/_offload/").status(), 404);
}

#[test]
fn the_report_knows_each_route_that_was_met() {
    let demo = Running::start(Mode::Auto);
    demo.get("/burn?ms=5");
    demo.post_json("/sort", "[2, 1]");
    let report = demo.get_json("/_offload/routes");
    assert_eq!(report["mode"], "auto");
    assert_eq!(report["lanes"][0]["threads"], 2);
    let route = |method: &str, pattern: &str| {
        let routes = report["routes"].as_array().expect("routes");
        routes
            .iter()
            .find(|route| route["method"] == method && route["pattern"] == pattern)
            .unwrap_or_else(|| panic!("no {method} {pattern} in {report:#}"))
    };
    let burn = route("GET", "/burn");
    assert_eq!(burn["placement"], "lane");
    assert_eq!(burn["lane_runs"], 1);
    assert!(burn["cost"]["peak_us"].as_f64() > Some(1000.0), "{burn}");
    assert!(burn["last_move"]["reason"].is_string(), "{burn}");
    assert_eq!(route("POST", "/sort")["lane_runs"], 1);
    assert_eq!(route("GET", "/inline/timer")["placement"], "loop");
    assert!(!report["event_loops"].as_array().expect("loops").is_empty());
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let demo = Running::start(Mode::Auto);
    demo.get("/burn?ms=5");
    demo.get("/inline/burn?ms=5");
    demo.get("/nothing");
    let metrics = demo.get("/metrics");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let samples = samples(&text(&metrics));
    for (series, value) in [
        ("demo_up", 1.0),
        ("demo_offload_enabled", 1.0),
        (
            r#"offload_requests_total{app="0",method="GET",route="/burn",placement="lane"}"#,
            1.0,
        ),
        (
            r#"offload_requests_total{app="0",method="GET",route="/inline/burn",placement="loop"}"#,
            1.0,
        ),
        (
            r#"offload_route_on_lane{app="0",method="GET",route="/burn"}"#,
            1.0,
        ),
        (
            r#"offload_route_on_lane{app="0",method="GET",route="/inline/burn"}"#,
            0.0,
        ),
        (
            r#"offload_requests_panicked_total{app="0",method="GET",route="/burn"}"#,
            0.0,
        ),
        (
            r#"offload_lane_run_seconds_count{app="0",method="GET",route="/burn"}"#,
            1.0,
        ),
        (
            r#"offload_lane_queue_seconds_bucket{app="0",method="GET",route="/burn",le="+Inf"}"#,
            1.0,
        ),
        (r#"offload_lane_threads{lane="offload-short"}"#, 2.0),
        (r#"offload_lane_queue_depth{lane="offload-long"}"#, 0.0),
        (r#"offload_lane_queue_bound{lane="offload-long"}"#, 1024.0),
    ] {
        assert_eq!(
            samples.get(series),
            Some(&value),
            "{series} in {samples:#?}"
        );
    }
    let seconds = samples[r#"offload_route_run_seconds{app="0",method="GET",route="/burn",placement="lane"}"#];
    assert!(seconds > 0.002, "{seconds}");
    let longest = samples[r#"offload_loop_longest_poll_seconds{event_loop="0"}"#];
    assert!(
        // Above the budget it is a lower bound.
        longest > 0.000_1,
        "/inline/burn kept the loop, but not for {longest} s"
    );
}

/// A label for each path would grow without bound, at the will of any client.
#[test]
fn distinct_paths_add_no_series() {
    const PATHS: usize = 20_000;
    const BATCH: usize = 500;
    let demo = Running::start(Mode::Auto);
    let series = || -> BTreeSet<String> {
        // What a lane or an event loop does for the first time may add some.
        let samples = samples(&text(&demo.get("/metrics")));
        samples.into_keys().collect()
    };
    // The first request of an app is before its routes are known, and the one that asks is not counted yet.
    (0..2).for_each(|_| drop(demo.get("/metrics")));
    let ask = |batch: usize| {
        let mut connection = Connection::open(demo.server.addr()).expect("it listens");
        let requests: String = (0..BATCH)
            .map(|n| format!("GET /{batch}/{n}?{n} HTTP/1.1\r\nHost: demo\r\n\r\n"))
            .collect();
        connection.send(requests.as_bytes()).expect("sent");
        for _ in 0..BATCH {
            let status = connection.read_response().expect("an answer").status();
            assert!(matches!(status, 404 | 503), "{status}");
        }
    };
    ask(0);
    let labels = |series: &BTreeSet<String>| -> BTreeSet<String> {
        let routes = series.iter().filter_map(|series| {
            let (_, rest) = series.split_once("route=\"")?;
            Some(rest.split('"').next()?.to_owned())
        });
        routes.collect()
    };
    let before = labels(&series());
    (1..PATHS / BATCH).for_each(ask);
    let after = series();
    let new: Vec<_> = labels(&after).difference(&before).cloned().collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(after.len() < 500, "{}", after.len());
}

/// Reads a text as Prometheus would, and checks what it checks: each family is declared once, before
/// its samples, which stand together; no series comes twice; counters are called so.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let (mut families, mut samples) = (BTreeSet::new(), BTreeMap::new());
    let (mut family, mut helped) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("a name and a text");
            assert!(
                !words.is_empty() && families.insert(name.to_owned()),
                "{line}"
            );
            helped = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert_eq!(name, helped, "the type follows the help");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            family = name.to_owned();
        } else if !line.is_empty() {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let name = series.split('{').next().unwrap_or_default();
            let part = name
                .strip_prefix(&*family)
                .unwrap_or_else(|| panic!("{line} in {family}"));
            assert!(["", "_bucket", "_sum", "_count"].contains(&part), "{line}");
            let value = value
                .parse()
                .unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(
                samples.insert(series.to_owned(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    samples
}
