//! A closure goes to the lane and its value comes back.

use std::{
    collections::HashSet,
    sync::{Arc, Barrier},
    thread,
};

use offload_core::{Run, Task};

use crate::support::{Lane, lane, on_each_executor};

#[test]
fn a_value_comes_back_on_each_executor() {
    let lane = Lane(Lane::builder().name("values").threads(2).build().unwrap());
    on_each_executor(|| async {
        let caller = thread::current().id();
        let (text, thread) = lane
            .run(|| ("value".to_owned(), thread::current()))
            .await
            .unwrap();
        assert_eq!(text, "value");
        assert_ne!(thread.id(), caller);
        let name = thread.name().unwrap().to_owned();
        assert!(
            name == "values-short-0" || name == "values-short-1",
            "{name}"
        );
    });
}

#[test]
fn a_closure_runs_although_nobody_polls() {
    let lane = lane(1);
    let (sender, receiver) = std::sync::mpsc::channel();
    let run = lane.run(move || sender.send(7).unwrap());
    assert_eq!(receiver.recv(), Ok(7));
    pollster::block_on(run).unwrap();
}

#[test]
fn a_job_started_inside_the_lane_runs_right_there() {
    // One thread: it would wait for itself for ever if the inner jobs queued.
    let lane = lane(1);
    let inner = lane.clone();
    let same = pollster::block_on(lane.run(move || {
        let here = thread::current().id();
        assert!(inner.is_current());
        let ran = pollster::block_on(inner.run(thread_id)).unwrap();
        let spawned = pollster::block_on(inner.spawn(async { thread_id() })).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let handle = inner.submit(move || sender.send(thread_id()).unwrap());
        let submitted = receiver
            .try_recv()
            .expect("it ran before `submit` returned");
        drop(handle.unwrap());
        [ran, spawned, submitted].iter().all(|&id| id == here)
    }));
    assert!(same.unwrap());
    assert!(!lane.is_current());
    assert_eq!(lane.stats().submitted, 4);
    assert_eq!(lane.stats().finished, 4);
}

#[test]
fn another_lane_is_not_inside() {
    let (one, two) = (lane(1), lane(1));
    let other = two.clone();
    let (here, there) = pollster::block_on(one.run(move || {
        assert!(!other.is_current());
        (
            thread_id(),
            pollster::block_on(other.run(thread_id)).unwrap(),
        )
    }))
    .unwrap();
    assert_ne!(here, there);
}

#[test]
fn all_threads_work_at_once() {
    let lane = lane(3);
    let barrier = Arc::new(Barrier::new(3));
    let runs: Vec<Run<_>> = (0..3)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            lane.run(move || {
                barrier.wait();
                thread_id()
            })
        })
        .collect();
    let ids: HashSet<_> = runs
        .into_iter()
        .map(|run| pollster::block_on(run).unwrap())
        .collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn futures_are_send_and_unpin_whatever_they_carry() {
    fn check<T: Send + Unpin>() {}
    check::<Run<std::marker::PhantomPinned>>();
    check::<Task<std::marker::PhantomPinned>>();
}

fn thread_id() -> thread::ThreadId {
    thread::current().id()
}
