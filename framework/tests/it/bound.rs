//! The bound holds, and what it refuses never runs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use crate::support::{Drops, Lane, Occupied, on_each_executor};

#[test]
fn a_full_queue_refuses_at_once() {
    on_each_executor(|| async {
        let lane = Lane(Lane::builder().threads(2).queue_bound(3).build().unwrap());
        let occupied = Occupied::all_of(&lane);
        let ran = Arc::new(AtomicUsize::new(0));
        let drops = Drops::default();
        let job = || {
            let (count, token) = (Arc::clone(&ran), drops.token());
            move || {
                count.fetch_add(1, SeqCst);
                drop(token);
            }
        };

        let waiting: Vec<_> = (0..3).map(|_| lane.run(job())).collect();
        assert_eq!(lane.queued(), 3);
        assert!(lane.submit(job()).unwrap_err().is_overloaded());
        assert!(lane.run(job()).await.unwrap_err().is_overloaded());
        let call = job();
        let refused = lane.spawn(async move { call() }).await;
        assert!(refused.unwrap_err().is_overloaded());
        assert_eq!(drops.alive(), 3, "what was refused is gone");
        assert_eq!(ran.load(SeqCst), 0);

        drop(occupied);
        for run in waiting {
            run.await.unwrap();
        }
        assert_eq!(ran.load(SeqCst), 3);
        let stats = lane.stats();
        assert_eq!((stats.submitted, stats.refused), (5, 3));
    });
}

#[test]
fn a_removed_job_frees_its_place() {
    let lane = Lane(Lane::builder().threads(1).queue_bound(1).build().unwrap());
    let occupied = Occupied::all_of(&lane);
    let first = lane.run(|| 1);
    assert!(lane.submit(|| ()).is_err());
    drop(first);
    let second = lane.run(|| 2);
    drop(occupied);
    assert_eq!(pollster::block_on(second).unwrap(), 2);
}

#[test]
fn a_job_from_inside_needs_no_place() {
    let lane = Lane(Lane::builder().threads(1).queue_bound(1).build().unwrap());
    let inner = lane.clone();
    let result = pollster::block_on(lane.run(move || {
        (0..10)
            .map(|n| pollster::block_on(inner.run(move || n)).unwrap())
            .sum::<u32>()
    }));
    assert_eq!(result.unwrap(), 45);
}

#[test]
fn wrong_settings_are_named() {
    let wrong = [
        (Lane::builder().threads(0), "threads"),
        (Lane::builder().threads(1 << 20), "threads"),
        (Lane::builder().queue_bound(0), "queue_bound"),
        (Lane::builder().queue_bound(usize::MAX), "queue_bound"),
        (Lane::builder().stack_size(1), "stack_size"),
        (Lane::builder().name(""), "name"),
        (Lane::builder().name("a\0b"), "name"),
    ];
    for (builder, setting) in wrong {
        let error = builder.build().unwrap_err();
        assert_eq!(error.setting_name(), Some(setting));
        assert!(error.to_string().contains(setting), "{error}");
    }
}
