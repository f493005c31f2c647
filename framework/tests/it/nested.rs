//! Jobs that use rayon themselves: no deadlock, no job inside a job, no resident polled inside either.

use std::{
    cell::Cell,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
};

use rayon::prelude::*;

use crate::support::{Gate, Lane, lane, of_the_short_lane, until};

thread_local! {
    /// What the lane does on this thread now, in its own code and not in what rayon steals.
    static OCCUPIED: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as occupied by a job or a poll; it must not be so already.
struct Exclusive;

impl Exclusive {
    #[track_caller]
    fn enter() -> Self {
        assert!(!OCCUPIED.replace(true), "one frame on top of another");
        Self
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        OCCUPIED.set(false);
    }
}

/// Work of three kinds that makes a thread wait inside rayon.
fn parallel_work(seed: u64) -> u64 {
    match seed % 3 {
        0 => {
            let mut numbers: Vec<u64> = (0..20_000_u64)
                .map(|n| n.wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                .collect();
            numbers.par_sort_unstable();
            assert!(numbers.is_sorted());
            numbers.len() as u64
        }
        1 => fibonacci(14),
        _ => {
            let sum = AtomicUsize::new(0);
            rayon::scope(|scope| {
                for n in 0..64 {
                    let sum = &sum;
                    scope.spawn(move |_| {
                        sum.fetch_add(n, SeqCst);
                    });
                }
            });
            sum.into_inner() as u64
        }
    }
}

fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (one, two) = rayon::join(|| fibonacci(n - 1), || fibonacci(n - 2));
    one + two
}

fn expected(seed: u64) -> u64 {
    [20_000, 377, 2_016][(seed % 3) as usize]
}

#[test]
fn many_parallel_jobs_on_two_threads_all_run_and_never_meet_a_resident() {
    let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
    let polls = Arc::new(AtomicUsize::new(0));
    let faults = Arc::new(AtomicUsize::new(0));
    let (registered, counted, faulty) =
        (Arc::clone(&wakers), Arc::clone(&polls), Arc::clone(&faults));
    let lane = Lane(
        Lane::builder()
            .threads(2)
            .local(of_the_short_lane(move |_| {
                let (registered, counted, faulty) = (
                    Arc::clone(&registered),
                    Arc::clone(&counted),
                    Arc::clone(&faulty),
                );
                let mut known = false;
                Box::pin(poll_fn(move |cx| {
                    if OCCUPIED.replace(true) {
                        faulty.fetch_add(1, SeqCst);
                    }
                    if !known {
                        registered.lock().unwrap().push(cx.waker().clone());
                        known = true;
                    }
                    // A handler may use rayon as well, and so make its thread wait inside the poll.
                    assert_eq!(fibonacci(5), 5);
                    counted.fetch_add(1, SeqCst);
                    OCCUPIED.set(false);
                    Poll::<()>::Pending
                }))
            }))
            .build()
            .unwrap(),
    );
    until("both residents are there", || {
        wakers.lock().unwrap().len() == 2
    });

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let wakers = wakers.lock().unwrap().clone();
            while !done.load(SeqCst) {
                wakers.iter().for_each(Waker::wake_by_ref);
                thread::yield_now();
            }
        });
        let submitters: Vec<_> = (0..2_u64)
            .map(|submitter| {
                let lane = &lane;
                scope.spawn(move || {
                    for round in 0..10 {
                        let runs: Vec<_> = (0..30_u64)
                            .map(|n| {
                                let seed = submitter + round + n;
                                let run = lane.run(move || {
                                    let _exclusive = Exclusive::enter();
                                    parallel_work(seed)
                                });
                                (seed, run)
                            })
                            .collect();
                        for (seed, run) in runs {
                            assert_eq!(pollster::block_on(run).unwrap(), expected(seed));
                        }
                    }
                })
            })
            .collect();
        let outcomes: Vec<_> = submitters
            .into_iter()
            .map(|submitter| submitter.join())
            .collect();
        done.store(true, SeqCst); // Also if one has failed, so that the scope ends.
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });
    assert_eq!(faults.load(SeqCst), 0, "a resident was polled inside a job");
    assert_eq!(lane.stats().resident_panics, 0);
    assert_eq!(lane.stats().finished, 600);
    assert!(polls.load(SeqCst) > 2);
}

/// A job that stays inside rayon takes the other's runner again and again; the idle thread must get the work each time.
#[test]
fn an_idle_thread_gets_what_a_waiting_job_was_given() {
    let lane = lane(2);
    let finished = Gate::default();
    let done = Arc::new(AtomicBool::new(false));
    let (waits, says) = (Arc::clone(&done), finished.clone());
    lane.submit(move || {
        let _exclusive = Exclusive::enter();
        // What `join` does while it waits for a stolen half.
        while !waits.load(SeqCst) {
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                thread::yield_now();
            }
        }
        says.open();
    })
    .unwrap()
    .detach();
    for n in 0..2_000 {
        let run = lane.run(move || {
            let _exclusive = Exclusive::enter();
            n
        });
        assert_eq!(pollster::block_on(run).unwrap(), n);
    }
    done.store(true, SeqCst);
    finished.pass();
}

#[test]
fn without_an_idle_thread_a_job_waits_for_the_outer_one() {
    let lane = lane(1);
    let submitted = Gate::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (waits, outer) = (submitted.clone(), Arc::clone(&order));
    let first = lane.run(move || {
        waits.pass();
        for _ in 0..100 {
            rayon::yield_now();
        }
        outer.lock().unwrap().push("outer");
    });
    until("it has begun", || lane.queued() == 0);
    let inner = Arc::clone(&order);
    let second = lane.run(move || inner.lock().unwrap().push("inner"));
    submitted.open();
    pollster::block_on(first).unwrap();
    pollster::block_on(second).unwrap();
    assert_eq!(*order.lock().unwrap(), ["outer", "inner"]);
}

/// Also if the only thread is never idle: the helper has it.
#[test]
fn what_a_job_spawns_on_rayon_runs_though_the_thread_waits_for_it() {
    let lane = lane(1);
    let answer = lane.run(|| {
        let (tell, told) = mpsc::channel();
        rayon::spawn(move || tell.send(7).unwrap());
        told.recv().unwrap()
    });
    assert_eq!(pollster::block_on(answer).unwrap(), 7);
}

/// Rayon wakes no thread of ours for a broadcast, and waits for all of them.
#[test]
fn a_broadcast_reaches_all_threads_whether_they_sleep_or_work() {
    let lane = lane(4);
    let over = Gate::default();
    let (waits, broadcasting) = (over.clone(), lane.clone());
    let busy = lane.run(move || {
        // At work all the time, with many short jobs.
        let reached = broadcasting.run(|| rayon::broadcast(|_| thread::current().id()));
        drop(waits);
        reached
    });
    let reached = pollster::block_on(async { busy.await.unwrap().await.unwrap() });
    let mut different = reached.clone();
    different.sort_unstable_by_key(|id| format!("{id:?}"));
    different.dedup();
    assert_eq!(different.len(), reached.len());
    assert!(reached.len() > 4, "{} threads and a helper", reached.len());
}

#[test]
fn futures_on_the_lane_may_use_rayon_between_their_awaits() {
    let lane = lane(2);
    let gate = Gate::default();
    let tasks: Vec<_> = (0..60_u64)
        .map(|seed| {
            let gate = gate.clone();
            lane.spawn(async move {
                let before = parallel_work(seed);
                gate.await;
                (before, parallel_work(seed + 1))
            })
        })
        .collect();
    until("all wait", || gate.waiting() == 60);
    gate.open();
    for (seed, task) in (0..).zip(tasks) {
        let values = pollster::block_on(task).unwrap();
        assert_eq!(values, (expected(seed), expected(seed + 1)));
    }
}
