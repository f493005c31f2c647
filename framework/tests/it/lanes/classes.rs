//! Short jobs go to one lane, long ones to the other, by what their like cost before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use offload_core::{Lanes, Terms};

use super::{Held, patient, single, this_thread};
use crate::support::{Gate, Occupied, burn, until};

const SHORT: Duration = Duration::from_millis(1);
const DEAR: Duration = Duration::from_millis(500);

fn where_it_runs(lanes: &Lanes, terms: &Terms) -> String {
    pollster::block_on(lanes.run_with(terms, this_thread)).unwrap()
}

#[test]
fn a_job_known_as_short_runs_though_all_threads_of_the_long_lane_are_held() {
    let lanes = patient().name("known").threads(2).build().unwrap();
    let (short, long) = (lanes.key("short"), lanes.key("long"));
    lanes.record(short, SHORT);
    lanes.record(long, DEAR);
    let occupied = Occupied::all_of_long(&lanes);

    let name = where_it_runs(&lanes, &Terms::new().key(short));
    assert!(name.starts_with("known-short-"), "{name}");
    let waiting = lanes.run_with(&Terms::new().key(long), this_thread);
    assert_eq!(lanes.long().queued, 1);
    let name = where_it_runs(&lanes, &Terms::new().key(short));
    assert!(name.starts_with("known-short-"), "{name}");
    assert_eq!(lanes.long().queued, 1);

    drop(occupied);
    let name = pollster::block_on(waiting).unwrap();
    assert!(name.starts_with("known-long-"), "{name}");
}

#[test]
fn what_is_expected_counts_until_something_is_remembered() {
    let lanes = patient().name("expected").threads(1).build().unwrap();
    let key = lanes.key("expected");
    let terms = Terms::new().key(key).cost(DEAR);
    let name = where_it_runs(&lanes, &terms);
    assert!(name.starts_with("expected-long-"), "{name}");
    // That run has cost next to nothing, which is remembered now.
    let name = where_it_runs(&lanes, &terms);
    assert!(name.starts_with("expected-short-"), "{name}");
    let name = where_it_runs(&lanes, &Terms::new());
    assert!(
        name.starts_with("expected-short-"),
        "nothing is known of it: {name}"
    );
}

#[test]
fn closures_are_told_apart_by_their_types() {
    let lanes = patient().name("types").threads(1).build().unwrap();
    let dear = || {
        burn(Duration::from_millis(30));
        this_thread()
    };
    // Written in the same function, so that only the type tells them apart.
    let cheap = || this_thread();
    let name = pollster::block_on(lanes.run(dear)).unwrap();
    assert!(name.starts_with("types-short-"), "unknown: {name}");
    for _ in 0..3 {
        let name = pollster::block_on(lanes.run(dear)).unwrap();
        assert!(name.starts_with("types-long-"), "{name}");
        let name = pollster::block_on(lanes.run(cheap)).unwrap();
        assert!(name.starts_with("types-short-"), "{name}");
    }
}

#[test]
fn futures_are_told_apart_by_their_types() {
    async fn dear() -> String {
        burn(Duration::from_millis(30));
        this_thread()
    }
    let lanes = patient().name("futures").threads(1).build().unwrap();
    let cheap = || async { this_thread() };
    pollster::block_on(lanes.spawn(dear())).unwrap();
    let name = pollster::block_on(lanes.spawn(dear())).unwrap();
    assert!(name.starts_with("futures-long-"), "{name}");
    let name = pollster::block_on(lanes.spawn(cheap())).unwrap();
    assert!(name.starts_with("futures-short-"), "{name}");
}

/// A job that computes until this is dropped.
struct Computing(Arc<AtomicBool>);

impl Computing {
    fn one(lanes: &Lanes, terms: &Terms) -> Self {
        Self::one_after(lanes, terms, || ())
    }

    fn one_after(lanes: &Lanes, terms: &Terms, before: impl FnOnce() + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let compute = move || {
            before();
            while !stopped.load(SeqCst) {
                std::hint::spin_loop();
            }
        };
        lanes.submit(terms, compute).unwrap().detach();
        Self(stop)
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_job_that_computes_for_too_long_is_known_as_long_before_its_end() {
    // No spare thread: it would run others of the kind, which show meanwhile that they are short.
    let lanes = patient().threads(1).spare_threads(0).build().unwrap();
    let terms = Terms::new().key(lanes.key("computes"));
    let computing = Computing::one(&lanes, &terms);
    let submitted = || lanes.long().stats.submitted;
    assert_eq!(submitted(), 0);
    until("the next of its kind goes to the long lane", || {
        drop(lanes.submit(&terms, || ()));
        submitted() > 0
    });
    drop(computing);
}

/// When it is found overdue, a job on a busy machine may have computed for little more than the limit of short ones.
#[test]
fn a_job_that_is_found_overdue_when_it_has_hardly_computed_is_known_as_long_in_the_end() {
    let limit = Duration::from_millis(8);
    let lanes = patient().threads(1).spare_threads(0).short_limit(limit);
    let lanes = lanes.build().unwrap();
    let terms = Terms::new().key(lanes.key("computes"));
    let computing = Computing::one_after(&lanes, &terms, move || {
        for _ in 0..40 {
            burn(limit / 32);
            // As if the kernel ran somebody else for so long.
            thread::sleep(limit);
        }
    });
    until("the next of its kind goes to the long lane", || {
        drop(lanes.submit(&terms, || ()));
        lanes.long().stats.submitted > 0
    });
    drop(computing);
}

#[test]
fn queued_jobs_that_turned_out_long_move_and_can_still_be_removed() {
    let lanes = single().name("moved").build().unwrap();
    let key = lanes.key("turns out long");
    let terms = Terms::new().key(key);
    let occupied = Occupied::all_of_long(&lanes);
    let first = Held::one(&lanes, &Terms::new());
    let (ran, on_long) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut queued: Vec<_> = (0..8)
        .map(|_| {
            let (ran, on_long) = (Arc::clone(&ran), Arc::clone(&on_long));
            lanes.run_with(&terms, move || {
                ran.fetch_add(1, SeqCst);
                if this_thread().starts_with("moved-long-") {
                    on_long.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    assert_eq!((lanes.short().queued, lanes.long().queued), (8, 0));
    lanes.record(key, DEAR);
    drop(first);
    until("all have moved", || lanes.long().queued == 8);
    assert_eq!(lanes.short().queued, 0);
    assert_eq!(lanes.stats().submitted, 10, "each of them once");

    queued.truncate(5);
    assert_eq!(lanes.long().queued, 5);
    assert_eq!(lanes.stats().cancelled, 3);
    assert_eq!(ran.load(SeqCst), 0);

    drop(occupied);
    for run in queued {
        pollster::block_on(run).unwrap();
    }
    assert_eq!((ran.load(SeqCst), on_long.load(SeqCst)), (5, 5));
    until("all have ended", || lanes.stats().finished == 7);
    let stats = lanes.stats();
    assert_eq!(
        (stats.submitted, stats.cancelled, stats.refused),
        (10, 3, 0)
    );
    until("the lanes are at rest", || lanes.running() == 0);
    assert_eq!(lanes.queued(), 0);
}

#[test]
fn jobs_that_moved_and_then_waited_too_long_are_expired_where_they_came_in() {
    let lanes = single().build().unwrap();
    let key = lanes.key("turns out long");
    let patience = Duration::from_millis(500);
    let terms = Terms::new().key(key).patience(patience);
    let occupied = Occupied::all_of_long(&lanes);
    let first = Held::one(&lanes, &Terms::new());
    let late = [(); 2].map(|()| lanes.run_with(&terms, || ()));
    let start = Instant::now(); // Not before: their patience begins with them.
    lanes.record(key, DEAR);
    drop(first);
    until("they have moved", || lanes.short().queued == 0);
    until("their patience is over", || start.elapsed() > patience);
    drop(occupied);
    for run in late {
        assert!(pollster::block_on(run).unwrap_err().is_expired());
    }
    // They are counted a moment after they were told.
    until("all are counted", || lanes.short().stats.expired == 2);
    for stats in [
        |lanes: &Lanes| lanes.short().stats,
        |lanes: &Lanes| lanes.long().stats,
    ] {
        until("it is at rest", || {
            let stats = stats(&lanes);
            stats.submitted == stats.finished + stats.expired
        });
        assert_eq!(stats(&lanes).cancelled, 0);
    }
}

#[test]
fn dropped_lanes_cancel_what_is_queued() {
    let lanes = single().build().unwrap();
    let (short, long) = (Terms::new().cost(SHORT), Terms::new().cost(DEAR));
    let held = [Held::one(&lanes, &short), Held::one(&lanes, &long)];
    let ran = Gate::default();
    let (one, two, three) = (ran.clone(), ran.clone(), ran.clone());
    let closures = [
        lanes.run_with(&short, move || one.open()),
        lanes.run_with(&long, move || two.open()),
    ];
    let future = lanes.spawn(async move { three.open() });
    assert_eq!(lanes.queued(), 3);
    drop(lanes);
    // Their threads are still held, so it was the end of the lanes that ended them.
    for run in closures {
        assert!(pollster::block_on(run).unwrap_err().is_cancelled());
    }
    assert!(pollster::block_on(future).unwrap_err().is_cancelled());
    drop(held);
}
