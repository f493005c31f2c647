//! Dropping what was returned takes the job out of the queue.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use offload_core::JobHandle;

use crate::support::{Drops, Gate, Lane, Occupied, lane, until};

#[test]
fn dropping_before_the_beginning_drops_the_closure_at_once_and_here() {
    struct Tells(mpsc::Sender<thread::ThreadId>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    let lane = lane(1);
    let occupied = Occupied::all_of(&lane);
    let (sender, dropped_on) = mpsc::channel();
    let tells = || Tells(sender.clone());

    let (one, two, three, four) = (tells(), tells(), tells(), tells());
    let run = lane.run(move || drop(one));
    let task = lane.spawn(async move { drop(two) });
    let handle = lane.submit(move || drop(three)).unwrap();
    let cancelled = lane.submit(move || drop(four)).unwrap();
    assert_eq!(lane.queued(), 4);
    assert!(dropped_on.try_recv().is_err());

    let here = thread::current().id();
    drop(run);
    assert_eq!(dropped_on.try_recv(), Ok(here));
    drop(task);
    assert_eq!(dropped_on.try_recv(), Ok(here));
    drop(handle);
    assert_eq!(dropped_on.try_recv(), Ok(here));
    assert!(cancelled.cancel());
    assert_eq!(dropped_on.try_recv(), Ok(here));
    assert_eq!(lane.queued(), 0);
    assert_eq!(lane.stats().cancelled, 4);

    drop(occupied);
    pollster::block_on(lane.run(|| ())).unwrap();
    assert_eq!(lane.stats().finished, 2, "the occupant and the last one");
}

#[test]
fn a_closure_that_has_begun_runs_to_its_end() {
    let lane = lane(1);
    let (begun, gate) = (Arc::new(Barrier::new(2)), Gate::default());
    let ended = Arc::new(AtomicUsize::new(0));
    let drops = Drops::default();

    let (meets, waits, tells, value) = (
        Arc::clone(&begun),
        gate.clone(),
        Arc::clone(&ended),
        drops.token(),
    );
    let run = lane.run(move || {
        meets.wait();
        waits.pass();
        tells.store(1, SeqCst);
        value
    });
    begun.wait();
    drop(run);
    gate.open();
    until("the closure has ended", || ended.load(SeqCst) == 1);
    until("its value was dropped", || drops.alive() == 0);
    until("it counts as finished", || lane.stats().finished == 1);
    assert_eq!(lane.stats().cancelled, 0);
}

#[test]
fn a_detached_job_runs() {
    let lane = lane(1);
    let occupied = Occupied::all_of(&lane);
    let ran = Gate::default();
    let (one, two) = (Gate::default(), ran.clone());
    let first = one.clone();
    lane.run(move || first.open()).detach();
    lane.submit(move || two.open()).unwrap().detach();
    drop(occupied);
    one.pass();
    ran.pass();
}

#[test]
fn removed_jobs_make_room_though_no_lane_thread_passes_by() {
    let lane = Lane(Lane::builder().threads(1).queue_bound(1).build().unwrap());
    let occupied = Occupied::all_of(&lane);
    // Far more than the queue has room for, while its only thread is in a job.
    let mut full = 0;
    for _ in 0..20_000 {
        let removed = || lane.submit(|| unreachable!()).is_ok_and(JobHandle::cancel);
        if !removed() {
            full += 1;
            until("there is room", removed);
        }
    }
    // Nobody waits for who looks through the queue just then, and may have been set aside by the kernel. That makes room, too, but
    // seldom: a queue that only had this would be full again and again.
    assert!(full < 8, "{full} times");
    assert_eq!(lane.queued(), 0);
    let stats = lane.stats();
    assert_eq!(stats.cancelled, 20_000);
    assert_eq!(stats.submitted, 20_001, "with the occupant");
    let last = lane.run(|| 7);
    drop(occupied);
    assert_eq!(pollster::block_on(last).unwrap(), 7);
}

#[test]
fn each_job_runs_or_is_removed_but_never_both() {
    let lane = Lane(Lane::builder().threads(2).queue_bound(64).build().unwrap());
    let ran = Arc::new(AtomicUsize::new(0));
    let mut removed = 0;
    let mut kept = 0;
    for n in 0..20_000_u32 {
        let count = Arc::clone(&ran);
        let Ok(handle) = lane.submit(move || {
            count.fetch_add(1, SeqCst);
        }) else {
            thread::yield_now();
            continue;
        };
        if n % 3 == 0 {
            handle.detach();
            kept += 1;
        } else if handle.cancel() {
            removed += 1;
        } else {
            kept += 1;
        }
    }
    until("all that were kept ran", || ran.load(SeqCst) == kept);
    let stats = lane.stats();
    assert_eq!(stats.cancelled, removed);
    until("all are counted", || lane.stats().finished == kept as u64);
}
