//! A lane ends with its last handle: what waits is cancelled, what runs ends, and the threads go.

use std::{
    future::pending,
    sync::{Arc, Barrier},
};

use crate::support::{Drops, Gate, Lane, Occupied, until};

/// A lane each of whose threads owns one token for as long as it lives, and what the threads share another.
/// So no token is alive only when the threads have ended and nothing of the lane has leaked.
fn watched_lane(threads: usize, drops: &Drops) -> Lane {
    let owned = drops.clone();
    let lane = Lane(
        Lane::builder()
            .threads(threads)
            .local(move |_| {
                let token = owned.token();
                Box::pin(async move {
                    let _token = token;
                    pending::<()>().await;
                })
            })
            .build()
            .unwrap(),
    );
    // A thread that has run a job has built its resident.
    drop(Occupied::all_of(&lane));
    // And so has one of the long lane a moment later.
    until("all residents are there", || drops.alive() == threads + 2);
    lane
}

#[test]
fn the_threads_end_with_the_last_handle() {
    let drops = Drops::default();
    let lane = watched_lane(3, &drops);
    let clone = lane.clone();
    drop(lane);
    assert_eq!(pollster::block_on(clone.run(|| 1)).unwrap(), 1);
    assert_eq!(drops.alive(), 5);
    drop(clone);
    until("the threads have ended", || drops.alive() == 0);
}

#[test]
fn queued_jobs_are_cancelled_and_running_ones_finish() {
    let drops = Drops::default();
    let lane = watched_lane(1, &drops);
    let (begun, gate) = (Arc::new(Barrier::new(2)), Gate::default());
    let (meets, waits) = (Arc::clone(&begun), gate.clone());
    let running = lane.run(move || {
        meets.wait();
        waits.pass();
        "finished"
    });
    begun.wait();
    let queued = lane.run(|| ());
    let spawned = lane.spawn(async {});
    let handle = lane.submit(|| unreachable!()).unwrap();

    drop(lane);
    assert!(pollster::block_on(queued).unwrap_err().is_cancelled());
    assert!(pollster::block_on(spawned).unwrap_err().is_cancelled());
    assert!(!handle.cancel(), "it is out of the queue already");
    gate.open();
    assert_eq!(pollster::block_on(running).unwrap(), "finished");
    until("the thread has ended", || drops.alive() == 0);
}

#[test]
fn a_task_that_has_begun_keeps_the_threads_until_its_end() {
    let drops = Drops::default();
    let lane = watched_lane(1, &drops);
    let gate = Gate::default();
    let task = lane.spawn(gate.clone());
    until("the future waits", || gate.waiting() == 1);
    drop(lane);
    assert!(drops.alive() > 1);
    gate.open();
    pollster::block_on(task).unwrap();
    until("the thread has ended", || drops.alive() == 0);
}

#[test]
fn the_last_handle_may_go_on_one_of_its_own_threads() {
    let drops = Drops::default();
    let lane = watched_lane(2, &drops);
    let (gate, done) = (Gate::default(), Gate::default());
    let (inner, waits, says) = (lane.clone(), gate.clone(), done.clone());
    lane.submit(move || {
        waits.pass();
        drop(inner);
        says.open();
    })
    .unwrap()
    .detach();
    until("the job has begun", || lane.queued() == 0);
    drop(lane);
    gate.open();
    done.pass();
    until("the threads have ended", || drops.alive() == 0);
}

#[test]
fn a_queued_job_may_hold_the_last_handle() {
    let drops = Drops::default();
    let lane = watched_lane(1, &drops);
    let occupied = Occupied::all_of(&lane);
    let inner = lane.clone();
    lane.submit(move || drop(inner)).unwrap().detach();
    drop(lane);
    drop(occupied);
    until("the thread has ended", || drops.alive() == 0);
}
