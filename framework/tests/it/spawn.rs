//! A future is polled on the lane and holds no thread while it waits.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
};

use offload_core::Task;

use crate::support::{Drops, Gate, Lane, Occupied, lane, on_each_executor, until};

#[test]
fn each_poll_is_on_the_lane() {
    let lane = Lane(Lane::builder().name("polls").threads(1).build().unwrap());
    on_each_executor(|| async {
        let gate = Gate::default();
        let inner = lane.clone();
        let waits = gate.clone();
        let task = lane.spawn(async move {
            assert!(inner.is_current());
            waits.await;
            assert!(inner.is_current());
            thread::current().name().map(str::to_owned)
        });
        until("the future waits", || gate.waiting() == 1);
        gate.open();
        assert_eq!(task.await.unwrap().as_deref(), Some("polls-short-0"));
    });
}

#[test]
fn two_hundred_waiting_futures_hold_no_thread() {
    let lane = lane(2);
    let gate = Gate::default();
    let tasks: Vec<Task<usize>> = (0..200)
        .map(|n| {
            let gate = gate.clone();
            lane.spawn(async move {
                gate.await;
                n
            })
        })
        .collect();
    until("all wait", || gate.waiting() == 200);
    until("no thread works", || lane.running() == 0);
    assert_eq!(lane.queued(), 0, "what has begun takes no place");
    assert_eq!(pollster::block_on(lane.run(|| 1)).unwrap(), 1);

    gate.open();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(pollster::block_on(task).unwrap(), n);
    }
    assert_eq!(lane.stats().finished, 201);
}

#[test]
fn a_wake_up_is_heard_even_when_the_queue_is_full() {
    let lane = Lane(Lane::builder().threads(1).queue_bound(1).build().unwrap());
    let gate = Gate::default();
    let waits = gate.clone();
    let task = lane.spawn(waits);
    until("the future waits", || gate.waiting() == 1);

    let occupied = Occupied::all_of(&lane);
    let queued = lane.run(|| ());
    assert!(
        pollster::block_on(lane.run(|| ()))
            .unwrap_err()
            .is_overloaded()
    );
    gate.open();
    drop(occupied);
    pollster::block_on(task).unwrap();
    pollster::block_on(queued).unwrap();
}

#[test]
fn a_future_that_always_wakes_itself_starves_nobody() {
    let lane = lane(1);
    let polls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&polls);
    let busy = lane.spawn(poll_fn(move |cx| {
        count.fetch_add(1, SeqCst);
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    until("it goes round", || polls.load(SeqCst) > 10);
    for _ in 0..100 {
        pollster::block_on(lane.run(|| ())).unwrap();
    }
    let before = polls.load(SeqCst);
    until("it still goes round", || polls.load(SeqCst) > before);
    drop(busy);
    until("it was dropped", || lane.stats().cancelled == 1);
}

#[test]
fn dropping_a_begun_task_stops_it_at_its_next_await() {
    let lane = lane(1);
    let gate = Gate::default();
    let drops = Drops::default();
    let went_on = Arc::new(AtomicUsize::new(0));
    let (waits, token, flag) = (gate.clone(), drops.token(), Arc::clone(&went_on));
    let task = lane.spawn(async move {
        let _token = token;
        waits.await;
        flag.store(1, SeqCst);
    });
    until("the future waits", || gate.waiting() == 1);
    drop(task);
    until("the future was dropped", || drops.alive() == 0);
    gate.open();
    pollster::block_on(lane.run(|| ())).unwrap();
    assert_eq!(went_on.load(SeqCst), 0);
    until("it is counted", || lane.stats().cancelled == 1);
}

#[test]
fn a_detached_task_goes_on() {
    let lane = lane(1);
    let gate = Gate::default();
    let done = Gate::default();
    let (waits, says) = (gate.clone(), done.clone());
    lane.spawn(async move {
        waits.await;
        says.open();
    })
    .detach();
    until("the future waits", || gate.waiting() == 1);
    gate.open();
    done.pass();
}
