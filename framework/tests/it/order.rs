//! Jobs begin in order, and none waits while a thread is idle.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use crate::support::{Occupied, lane, until};

#[test]
fn jobs_begin_in_the_order_of_their_submission() {
    let lane = lane(1);
    let occupied = Occupied::all_of(&lane);
    let order = Arc::new(Mutex::new(Vec::new()));
    let runs: Vec<_> = (0..500)
        .map(|n| {
            let order = Arc::clone(&order);
            lane.run(move || order.lock().unwrap().push(n))
        })
        .collect();
    drop(occupied);
    for run in runs {
        pollster::block_on(run).unwrap();
    }
    assert!(order.lock().unwrap().iter().copied().eq(0..500));
}

/// Each submitter waits for its job before it sends the next one, so the lane goes idle all the time. A single lost
/// wake-up would hang this.
#[test]
fn no_job_is_stuck_while_a_thread_is_idle() {
    let lane = lane(2);
    let most_slots = Arc::new(AtomicUsize::new(0));
    let at_work = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..3_000 {
                    let (inner, slots, at_work) =
                        (lane.clone(), Arc::clone(&most_slots), Arc::clone(&at_work));
                    let job = move || {
                        assert!(at_work.fetch_add(1, SeqCst) < inner.threads());
                        slots.fetch_max(inner.short().slots_taken, SeqCst);
                        at_work.fetch_sub(1, SeqCst);
                        n
                    };
                    let value = if n % 2 == 0 {
                        pollster::block_on(lane.run(job))
                    } else {
                        pollster::block_on(lane.spawn(async move { job() }))
                    };
                    assert_eq!(value.unwrap(), n);
                }
            });
        }
    });
    assert!(most_slots.load(SeqCst) <= 2);
    until("the lane is at rest", || {
        lane.running() + lane.short().slots_taken == 0
    });
    assert_eq!(lane.stats().finished, 9_000);
}

/// However much waits and however the jobs use rayon.
#[test]
fn never_more_slots_are_taken_than_there_are() {
    let lane = lane(2);
    let most = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let (watched, seen, stop) = (lane.clone(), Arc::clone(&most), Arc::clone(&done));
    let watcher = thread::spawn(move || {
        while !stop.load(SeqCst) {
            seen.fetch_max(watched.short().slots_taken, SeqCst);
            thread::yield_now();
        }
    });
    for _ in 0..20 {
        let runs: Vec<_> = (0..100)
            .map(|n: u64| lane.run(move || rayon::join(|| n, || n + 1)))
            .collect();
        for (run, n) in runs.into_iter().zip(0..) {
            assert_eq!(pollster::block_on(run).unwrap(), (n, n + 1));
        }
    }
    done.store(true, SeqCst);
    watcher.join().unwrap();
    assert!(most.load(SeqCst) <= 2);
}
