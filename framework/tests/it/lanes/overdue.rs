//! Jobs that were taken for short and don't end: others run in their place, and afterwards all is as before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use offload_core::{Lanes, Terms};

use super::{Held, patient, this_thread};
use crate::support::{Gate, until};

#[test]
fn the_next_short_job_runs_in_place_of_an_overdue_one() {
    let lanes = patient()
        .name("lent")
        .threads(1)
        .spare_threads(1)
        .build()
        .unwrap();
    let held = Held::one(&lanes, &Terms::new());
    for _ in 0..50 {
        let name = pollster::block_on(lanes.run_with(&Terms::new(), this_thread)).unwrap();
        assert!(name.starts_with("lent-short-"), "{name}");
    }
    drop(held);
    until("the lanes are at rest", || lanes.running() == 0);
}

/// `count` jobs that wait at gates of their own; each begins once the one before it is overdue and its slot is lent.
fn hold_one_after_another(lanes: &Lanes, count: usize) -> Vec<Held> {
    let held: Vec<_> = (0..count)
        .map(|_| Held::one(lanes, &Terms::new()))
        .collect();
    assert_eq!(lanes.short().slots_taken, count);
    held
}

/// Queues a job and sees that it begins as soon as `end` has ended something, and not before.
fn waits_for(lanes: &Lanes, end: impl FnOnce()) {
    let (ran, count) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (opens, counts) = (ran.clone(), Arc::clone(&count));
    lanes
        .submit(&Terms::new(), move || {
            counts.fetch_add(1, SeqCst);
            opens.open();
        })
        .unwrap()
        .detach();
    assert_eq!((lanes.short().queued, count.load(SeqCst)), (1, 0));
    end();
    ran.pass();
}

#[test]
fn as_many_can_be_overdue_as_there_are_threads_and_spares() {
    const ALL: usize = 3;
    let build = || {
        let builder = patient().threads(1).spare_threads(ALL - 1);
        builder.build().unwrap()
    };
    // Whichever of them ends, the last one included for which no spare was left.
    for first_to_end in 0..ALL {
        let lanes = build();
        let mut held = hold_one_after_another(&lanes, ALL);
        waits_for(&lanes, || drop(held.remove(first_to_end)));
        // The others are still overdue, and don't hold up anything any more.
        for n in 0..20 {
            let value = pollster::block_on(lanes.run_with(&Terms::new(), move || n));
            assert_eq!(value.unwrap(), n);
        }
        drop(held);
        until("the lanes are at rest", || lanes.running() == 0);
        assert_eq!(lanes.queued(), 0);
    }
}

#[test]
fn afterwards_no_more_jobs_run_at_a_time_than_there_are_threads() {
    const THREADS: usize = 2;
    // What is overdue after two seconds is surely none of the many jobs below, even on a busy machine.
    let lanes = patient()
        .threads(THREADS)
        .spare_threads(THREADS)
        .short_limit(Duration::from_secs(1))
        .build()
        .unwrap();
    let held: Vec<_> = (0..THREADS)
        .map(|_| Held::one(&lanes, &Terms::new()))
        .collect();
    let borrowed = Held::one(&lanes, &Terms::new());
    drop((held, borrowed));
    until("the overdue ones have ended", || {
        lanes.running() == 0 && lanes.short().slots_taken == 0
    });

    // Of those that are known: an unknown one is overdue so soon that any may be. And not for long: once a lane has found that other
    // programs keep the cores busy, which takes it half a second at the least, it does run more.
    let known = Terms::new().cost(Duration::from_micros(10));
    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                lanes.run_with(&known, move || {
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    // Long enough that a third one would be met.
                    for _ in 0..10 {
                        std::thread::yield_now();
                    }
                    now.fetch_sub(1, SeqCst);
                })
            })
            .collect();
        for run in runs {
            pollster::block_on(run).unwrap();
        }
    }
    assert!(most.load(SeqCst) <= THREADS, "{}", most.load(SeqCst));
    assert!(lanes.short().slots_taken <= THREADS);
}
