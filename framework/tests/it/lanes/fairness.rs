//! Flows share a lane, whatever any of them sends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use offload_core::{
    Terms,
    admission::{Flow, Rank, Weight},
};

use super::{Held, Order, single, submit_all};
use crate::support::{burn, until};

fn flow(weight: u16, rank: Rank) -> Terms {
    let weight = Weight::new(weight).expect("1 to 1,000");
    Terms::new().flow(&Flow::new(weight, rank))
}

fn normal() -> Terms {
    flow(100, Rank::Normal)
}

/// What ran, when all of `submit`'s jobs have waited behind one that was held.
fn order_of<T: Clone + Send + 'static>(
    count: usize,
    submit: impl FnOnce(&offload_core::Lanes, &Order<T>),
) -> Vec<T> {
    let lanes = single().build().unwrap();
    let order = Order::<T>(Arc::default());
    let held = Held::one(&lanes, &normal());
    submit(&lanes, &order);
    assert_eq!(lanes.short().queued, count);
    drop(held);
    until("all have run", || order.so_far().len() == count);
    order.so_far()
}

/// A job that notes that it ran, after so much computing.
fn costly<T: Clone + Send + 'static>(
    order: &Order<T>,
    cost: Duration,
    who: T,
) -> impl FnOnce() + Send + 'static {
    let note = order.job(who);
    move || {
        burn(cost);
        note();
    }
}

#[test]
fn a_flood_does_not_delay_another_flow() {
    let (a, b) = (normal(), normal());
    let order = order_of(105, |lanes, order| {
        submit_all(lanes, &a, (0..100).map(|_| order.job('a')));
        submit_all(lanes, &b, (0..5).map(|_| order.job('b')));
    });
    let among_the_first = order[..12].iter().filter(|flow| **flow == 'b').count();
    assert_eq!(among_the_first, 5, "{:?}", &order[..20]);
}

#[test]
fn weights_are_shares() {
    let (heavy, plain) = (flow(300, Rank::Normal), flow(100, Rank::Normal));
    let order = order_of(200, |lanes, order| {
        let job = |who| costly(order, Duration::from_micros(500), who);
        submit_all(lanes, &plain, (0..100).map(|_| job('p')));
        submit_all(lanes, &heavy, (0..100).map(|_| job('h')));
    });
    let heavy = order[..40].iter().filter(|flow| **flow == 'h').count();
    assert!((28..=32).contains(&heavy), "{heavy} of 40");
}

/// What is charged is what a job cost, whatever was predicted of it.
#[test]
fn shares_are_of_cost_and_not_of_jobs() {
    let (dear, cheap) = (normal(), normal());
    let order = order_of(200, |lanes, order| {
        let job = |cost, who| costly(order, Duration::from_micros(cost), who);
        submit_all(lanes, &dear, (0..100).map(|_| job(2_000, 'd')));
        submit_all(lanes, &cheap, (0..100).map(|_| job(500, 'c')));
    });
    let cheap = order[..50].iter().filter(|flow| **flow == 'c').count();
    assert!((38..=42).contains(&cheap), "{cheap} of 50");
}

#[test]
fn ranks_are_strict() {
    let order = order_of(60, |lanes, order| {
        for rank in [Rank::Low, Rank::Normal, Rank::High] {
            // The weight does not matter against a rank.
            let weight = if rank == Rank::Low { 1000 } else { 1 };
            submit_all(lanes, &flow(weight, rank), (0..20).map(|_| order.job(rank)));
        }
    });
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn a_flood_leaves_places_for_others_and_what_is_refused_never_runs() {
    let lanes = single().queue_bound(90).build().unwrap();
    let held = Held::one(&lanes, &normal());
    let ran = Arc::<AtomicUsize>::default();
    let admitted = |terms: &Terms, count| {
        let submit = |_: &i32| {
            let ran = Arc::clone(&ran);
            let submitted = lanes.submit(terms, move || {
                ran.fetch_add(1, SeqCst);
            });
            match submitted {
                Ok(handle) => handle.detach(),
                Err(error) => {
                    assert!(error.is_overloaded());
                    return false;
                }
            }
            true
        };
        (0..count).filter(submit).count()
    };
    let flood = admitted(&normal(), 500);
    assert_eq!(flood, 80, "eight ninths");
    let (one, other) = (admitted(&normal(), 5), admitted(&normal(), 2));
    assert_eq!((one, other), (5, 2), "others find places");
    let all = flood + one + other;
    assert_eq!(lanes.queued(), all);
    assert_eq!(lanes.stats().refused, 420);
    drop(held);
    until("the queue is empty", || {
        lanes.queued() == 0 && lanes.running() == 0
    });
    assert_eq!(ran.load(SeqCst), all);
    until("all are counted", || {
        lanes.stats().finished == all as u64 + 1
    });
}
