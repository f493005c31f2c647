//! Of a flow whose jobs are long, an unknown one may be short: now and then one of them tries the short lane.

use std::time::Duration;

use offload_core::{Lanes, Terms, admission::Flow};

use super::{Held, patient, this_thread};
use crate::support::{burn, until};

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(500);

/// Lanes with room for one trial.
fn lanes(name: &str) -> Lanes {
    let lanes = patient().name(name).threads(1).spare_threads(1);
    lanes.build().unwrap()
}

/// The terms of a job that nobody has seen yet, of a long flow.
fn unknown(lanes: &Lanes, flow: &std::sync::Arc<Flow>, name: u32) -> Terms {
    Terms::new()
        .flow(flow)
        .cost(LONG)
        .key(lanes.key(("unknown", name)))
}

/// Runs a job that costs so much, and says whether it ran in the short lane.
fn was_tried(lanes: &Lanes, terms: &Terms, cost: Duration) -> bool {
    let job = move || {
        burn(cost);
        this_thread()
    };
    let name = pollster::block_on(lanes.run_with(terms, job)).unwrap();
    // A trial ends a moment after its result is there.
    until("its thread is done with it", || lanes.short().running == 0);
    name.contains("-short-")
}

#[test]
fn an_unknown_job_of_a_long_flow_waits_for_none_of_the_long_ones() {
    let lanes = lanes("trial");
    let flow = Flow::unnamed();
    let known = unknown(&lanes, &flow, 0);
    lanes.record(lanes.key(("unknown", 0)), LONG);
    let held = Held::one(&lanes, &known);
    assert!(was_tried(&lanes, &unknown(&lanes, &flow, 1), SHORT));
    assert!(was_tried(&lanes, &unknown(&lanes, &flow, 2), SHORT));
    assert!(
        was_tried(&lanes, &unknown(&lanes, &flow, 1), SHORT),
        "known"
    );
    drop(held);
}

#[test]
fn a_flow_that_is_always_long_is_tried_ever_more_rarely() {
    let lanes = lanes("failed");
    let flow = Flow::unnamed();
    let cost = Duration::from_millis(15);
    let tried: Vec<u32> = (0..16)
        .filter(|job| was_tried(&lanes, &unknown(&lanes, &flow, *job), cost))
        .collect();
    assert_eq!(tried, [0, 2, 6, 14]);
    // One success, and the flow is trusted again.
    for job in 16..30 {
        was_tried(&lanes, &unknown(&lanes, &flow, job), SHORT);
    }
    assert!(was_tried(&lanes, &unknown(&lanes, &flow, 30), SHORT));
    assert!(was_tried(&lanes, &unknown(&lanes, &flow, 31), SHORT));
}

#[test]
fn without_spare_threads_nothing_is_tried() {
    let lanes = patient().threads(1).spare_threads(0).build().unwrap();
    let flow = Flow::unnamed();
    assert!(!was_tried(&lanes, &unknown(&lanes, &flow, 0), SHORT));
}
