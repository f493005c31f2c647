//! Jobs that hold a lock while rayon works for them, and jobs that wait for each other: all end.

use std::{
    cell::Cell,
    sync::{Arc, LazyLock, Mutex, OnceLock, mpsc},
    thread,
    time::Duration,
};

use offload_core::{Lanes, Stay, Terms};
use rayon::prelude::*;

use crate::support::{LONG, Lane, burn, lane};

/// What a job does under a lock: long enough in both halves that each is stolen while others wait for the lock.
fn parallel_sum() -> u64 {
    (0..64_u32)
        .into_par_iter()
        .with_max_len(1)
        .map(|n| {
            burn(Duration::from_micros(50));
            u64::from(n)
        })
        .sum()
}

/// Eight at once, `rounds` times, each time with a lock that nobody has used.
fn eight_at_once(rounds: usize, prepare: impl Fn() -> Arc<dyn Fn() -> u64 + Send + Sync>) {
    let lane = lane(2);
    for _ in 0..rounds {
        let work = prepare();
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let work = Arc::clone(&work);
                lane.run(move || work())
            })
            .collect();
        for run in runs {
            assert_eq!(pollster::block_on(run).unwrap(), 2_016);
        }
    }
    assert_eq!(lane.stats().finished, 8 * rounds as u64);
}

#[test]
fn a_mutex_may_be_held_while_rayon_works() {
    eight_at_once(50, || {
        let lock = Mutex::new(());
        Arc::new(move || {
            let _held = lock.lock().unwrap();
            parallel_sum()
        })
    });
}

#[test]
fn a_lazy_value_may_be_made_by_rayon() {
    eight_at_once(50, || {
        let value = LazyLock::new(parallel_sum);
        Arc::new(move || *value)
    });
}

#[test]
fn a_value_that_is_set_once_may_be_made_by_rayon() {
    eight_at_once(50, || {
        let value = OnceLock::new();
        Arc::new(move || *value.get_or_init(parallel_sum))
    });
}

#[test]
fn a_job_may_wait_for_what_another_one_sends() {
    let lane = lane(2);
    for _ in 0..200 {
        let (tell, told) = mpsc::channel();
        let waits = lane.run(move || rayon::join(move || told.recv().unwrap(), parallel_sum));
        let sends = lane.run(move || {
            parallel_sum();
            tell.send(7).unwrap();
        });
        pollster::block_on(sends).unwrap();
        assert_eq!(pollster::block_on(waits).unwrap(), (7, 2_016));
    }
}

/// All threads of the long lane are in jobs that wait for what they have left to rayon.
#[test]
fn all_jobs_may_wait_for_what_they_have_spawned_on_rayon() {
    let lanes = Lanes::builder().threads(2).build().unwrap();
    let long = Terms::new().cost(Duration::from_secs(1)).patience(LONG);
    let runs: Vec<_> = (0..8)
        .map(|n| {
            lanes.run_with(&long, move || {
                let (tell, told) = mpsc::channel();
                rayon::spawn(move || tell.send(n).unwrap());
                told.recv().unwrap()
            })
        })
        .collect();
    for (n, run) in (0..).zip(runs) {
        assert_eq!(pollster::block_on(run).unwrap(), n);
    }
}

/// What a job leaves to rayon waits for another one, which waits on the same thread.
#[test]
fn what_is_left_to_rayon_is_not_run_where_a_job_waits() {
    let lane = Lane(Lane::builder().threads(1).build().unwrap());
    thread_local!(static WAITS_HERE: Cell<Option<Stay>> = const { Cell::new(None) });

    let (tell, told) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    // It has begun and goes on here, as a handler that awaits something does.
    let stay = lane.run(move || {
        WAITS_HERE.set(Stay::here());
        rayon::spawn(move || {
            begin.send(thread::current().id()).unwrap();
            let _ended = told.recv();
        });
        thread::current().id()
    });
    let here = pollster::block_on(stay).unwrap();
    assert_ne!(begun.recv().unwrap(), here);
    // The lane goes on though its helper is held.
    for n in 0..100 {
        assert_eq!(pollster::block_on(lane.run(move || n)).unwrap(), n);
    }
    drop(tell);
}
