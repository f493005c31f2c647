//! Deadlines that clients name: kept where a request would wait, and of no account where it does not.

use std::time::Duration;

use axum::{Router, routing::get};
use offload_core::Terms;
use offload_tests::client::Client;

use crate::site::{Gate, HEAVY, Site, builder, side, wait_until};

fn ask(site: &Site, target: &str, deadline: &str) -> u16 {
    let header = format!("Deadline-Ms: {deadline}");
    let answer = Client::new(site.addr).ask("GET", target, &[&header], b"");
    answer.expect("an answer").status()
}

#[test]
fn a_deadline_counts_on_lanes_only() {
    let heavy = async || {
        offload_tests::work::burn(HEAVY);
        side()
    };
    let app = Router::new()
        .route("/heavy", get(heavy))
        .route("/", get(async || side()));
    let one = tower_offload::Lanes::builder()
        .threads(1)
        .long_threads(1)
        .spare_threads(0);
    let named = builder(one).deadline_header("deadline-ms");
    let site = Site::with(named, app);
    site.learn_get("/");
    assert_eq!(site.text("/heavy"), "lane");
    for (deadline, status) in [
        ("60000", 200),
        ("18446744073709551615", 200),
        ("soon", 400),
        ("-1", 400),
    ] {
        assert_eq!(ask(&site, "/heavy", deadline), status, "{deadline}");
        assert_eq!(ask(&site, "/", deadline), 200, "{deadline}");
    }
    // Both lanes are held, and something waits already.
    let gate = Gate::default();
    let lanes = site.offload.lanes();
    let (short, long) = (Terms::new(), Terms::new().cost(Duration::from_secs(1)));
    let held: Vec<_> = [&short, &short, &long, &long]
        .into_iter()
        .map(|terms| {
            let gate = gate.clone();
            lanes.run_with(terms, move || gate.wait())
        })
        .collect();
    wait_until("both run", || lanes.running() == 2);
    let before = site.report("/heavy");
    assert_eq!(ask(&site, "/heavy", "1"), 503);
    assert_eq!(ask(&site, "/", "1"), 200);
    let after = site.report("/heavy");
    assert_eq!(after.refused, before.refused + 1);
    assert_eq!(after.lane_runs, before.lane_runs);
    gate.open();
    for job in held {
        pollster::block_on(job).expect("ran");
    }
}
