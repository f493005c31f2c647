//! Routes share the lanes, and what an app says of their serving holds.

use std::time::Duration;

use actix_offload::{Rank, Serving, Weight};

use super::{Held, Saturated, all_are_answered, single};

fn count(order: &[String], path: &str) -> usize {
    order.iter().filter(|begun| *begun == path).count()
}

#[test]
fn a_flood_of_one_route_does_not_delay_another() {
    let app = Saturated::warm(single());
    let held = Held::all_of(&app.offload);
    let flood = app.queue("/one", 200);
    let few = app.queue("/two", 3);
    drop(held);
    all_are_answered(few);
    all_are_answered(flood);
    let order = app.begun.take();
    assert_eq!(order.len(), 203);
    assert_eq!(count(&order[..10], "/two"), 3, "{:?}", &order[..20]);
}

#[test]
fn a_high_rank_goes_first() {
    let first = Serving::new().rank(Rank::High);
    let app = Saturated::warm(single().serve("GET", "/two", first));
    let held = Held::all_of(&app.offload);
    let others = app.queue("/one", 10);
    let first = app.queue("/two", 5);
    drop(held);
    all_are_answered(first);
    all_are_answered(others);
    let order = app.begun.take();
    assert_eq!(count(&order[..5], "/two"), 5, "{order:?}");
}

#[test]
fn weights_are_shares() {
    let three = Serving::new().weight(Weight::new(300).expect("a weight"));
    let app = Saturated::warm(single().serve("GET", "/two", three));
    let held = Held::all_of(&app.offload);
    let plain = app.queue("/one", 40);
    let heavy = app.queue("/two", 40);
    drop(held);
    all_are_answered(heavy);
    all_are_answered(plain);
    let order = app.begun.take();
    let share = count(&order[..40], "/two");
    // 30 if both cost exactly the same.
    assert!((25..=35).contains(&share), "{share} of 40");
}

/// Also where a request goes on after its turn of the queue, as all do that wait for their body.
#[test]
fn shares_are_of_what_requests_cost() {
    // Both are heavy, or the cheaper one would come first in any case.
    let builder = single().budget(Duration::from_micros(500));
    let app = Saturated::warm_for(builder, ["/later", "/cheaper"]);
    let held = Held::all_of(&app.offload);
    let dear = app.queue("/later", 40);
    let cheap = app.queue("/cheaper", 40);
    drop(held);
    all_are_answered(cheap);
    all_are_answered(dear);
    let order = app.begun.take();
    let share = count(&order[..25], "/cheaper");
    // 20 if one costs exactly four times what the other does; 12 if jobs were counted, 24 if only first polls were.
    assert!((17..=22).contains(&share), "{share} of 25: {order:?}");
}
