//! What nobody has met comes first a few at a time, and is no way to the front or to all threads for a flood.

use std::{sync::Arc, time::Duration};

use offload_core::{
    Lanes, Terms,
    admission::{Flow, Rank, Weight},
};

use super::{Held, Order, patient, single, sturdy, this_thread};
use crate::support::{Gate, burn, until};

const SHORT: Duration = Duration::from_millis(1);

/// A route that nobody has met: its own flow, and that of its probes.
struct UnknownRoute {
    flow: Arc<Flow>,
    probes: Arc<Flow>,
}

impl UnknownRoute {
    fn new() -> Self {
        Self {
            flow: Flow::unnamed(),
            probes: Flow::new(Weight::default(), Rank::High),
        }
    }

    /// The terms of a job of it that is like no other.
    fn job(&self, lanes: &Lanes, number: usize) -> Terms {
        let terms = Terms::new().flow(&self.flow).probe(&self.probes);
        terms.key(lanes.key(("unknown", number)))
    }
}

#[test]
fn three_of_a_flow_come_first_and_the_others_wait_like_any() {
    let lanes = single().build().unwrap();
    let held = Held::one(&lanes, &Terms::new().cost(SHORT));
    let order = Order::default();
    order.submit(&lanes, &Terms::new().cost(SHORT), "known");
    let unknown = UnknownRoute::new();
    for number in 0..6 {
        let terms = unknown.job(&lanes, number);
        order.submit(&lanes, &terms, "unknown");
    }
    drop(held);
    until("all have run", || order.so_far().len() == 7);
    assert_eq!(order.place_of("known"), Some(3), "{:?}", order.so_far());
}

#[test]
fn all_flows_together_have_places_for_eight() {
    let lanes = single().build().unwrap();
    let held = Held::one(&lanes, &Terms::new().cost(SHORT));
    let order = Order::default();
    order.submit(&lanes, &Terms::new().cost(SHORT), "known");
    let routes: Vec<_> = (0..20).map(|_| UnknownRoute::new()).collect();
    for unknown in &routes {
        let terms = unknown.job(&lanes, 0);
        order.submit(&lanes, &terms, "unknown");
    }
    drop(held);
    until("all have run", || order.so_far().len() == 21);
    assert_eq!(order.place_of("known"), Some(8), "{:?}", order.so_far());
}

#[test]
fn what_is_carried_to_the_long_lane_does_not_come_first_there() {
    let lanes = patient().threads(1).spare_threads(1).build().unwrap();
    let long = Terms::new().cost(Duration::from_secs(1));
    let held = Held::one(&lanes, &long);
    // The one place that there is for what is unknown.
    let gate = Gate::default();
    let waits = gate.clone();
    lanes
        .submit(&UnknownRoute::new().job(&lanes, 0), move || waits.pass())
        .unwrap()
        .detach();
    until("both are held", || {
        lanes.running() == 2 && lanes.queued() == 0
    });
    let order = Order::default();
    let unknown = UnknownRoute::new();
    for number in 0..6 {
        let terms = unknown.job(&lanes, number);
        order.submit(&lanes, &terms, "unknown");
        until("it is carried", || lanes.long().queued == number + 1);
    }
    let known = long.flow(&Flow::unnamed());
    order.submit(&lanes, &known, "known");
    drop(held);
    until("all have run", || order.so_far().len() == 7);
    gate.open();
    assert!(order.place_of("known") < Some(3), "{:?}", order.so_far());
}

#[test]
fn a_flood_of_the_unknown_leaves_a_thread_to_what_is_known() {
    let lanes = sturdy().threads(1).spare_threads(2).build().unwrap();
    let gate = Gate::default();
    for _ in 0..10 {
        let unknown = UnknownRoute::new();
        for number in 0..4 {
            let waits = gate.clone();
            let terms = unknown.job(&lanes, number);
            // They hold whatever they get; some may be refused.
            let _ = lanes
                .submit(&terms, move || waits.pass())
                .map(|job| job.detach());
        }
    }
    let known = Terms::new().flow(&Flow::unnamed()).cost(SHORT);
    for n in 0..20 {
        lanes.check(&known).unwrap();
        assert_eq!(
            pollster::block_on(lanes.run_with(&known, move || n)).unwrap(),
            n
        );
    }
    gate.open();
}

#[test]
fn one_that_is_long_speaks_for_the_others_before_its_end() {
    let lanes = patient()
        .name("kin")
        .threads(1)
        .spare_threads(1)
        .build()
        .unwrap();
    let unknown = UnknownRoute::new();
    let (gate, waits) = (Gate::default(), Gate::default());
    let ends = gate.clone();
    let long = move || {
        burn(Duration::from_millis(100));
        ends.pass();
    };
    lanes
        .submit(&unknown.job(&lanes, 0), long)
        .unwrap()
        .detach();
    let known = Held::one(&lanes, &Terms::new().cost(Duration::from_secs(1)));
    until("it is found out", || {
        let terms = unknown.job(&lanes, 1);
        !lanes.would_take(&terms.patience(Duration::ZERO))
    });
    drop((known, waits));
    // Two of them, as one may be tried nevertheless.
    let name = |number| {
        let run = lanes.run_with(&unknown.job(&lanes, number), || (this_thread(), ()).0);
        pollster::block_on(run).unwrap()
    };
    let trial = lanes.run_with(&unknown.job(&lanes, 2), || ());
    assert!(name(3).contains("-long-"));
    pollster::block_on(trial).unwrap();
    gate.open();
}
