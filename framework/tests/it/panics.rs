//! A panic is a value, and everything else goes on.

use std::{collections::HashSet, sync::Arc, sync::Barrier, thread};

use crate::support::{Gate, Lane, Occupied, lane, on_each_executor, panic_quietly, until};

#[test]
fn a_panic_comes_back_with_its_payload() {
    let lane = lane(1);
    on_each_executor(|| async {
        let error = lane
            .run(|| panic_quietly(42_u8))
            .await
            .map(|(): ()| ())
            .unwrap_err();
        assert!(error.is_panic());
        assert_eq!(*error.into_panic().unwrap().downcast::<u8>().unwrap(), 42);

        let task = lane.spawn(async { panic_quietly("text") });
        let error = task.await.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "the job panicked: text");
    });
    assert_eq!(lane.stats().panicked, 8);
    assert_eq!(lane.stats().finished, 8);
}

#[test]
fn a_panic_in_a_later_poll_comes_back() {
    let lane = lane(1);
    let gate = Gate::default();
    let waits = gate.clone();
    let task = lane.spawn(async move {
        waits.await;
        panic_quietly(1_i32)
    });
    until("the future waits", || gate.waiting() == 1);
    gate.open();
    let error = pollster::block_on(task).map(|(): ()| ()).unwrap_err();
    assert!(error.is_panic());
}

#[test]
fn an_inline_panic_comes_back() {
    let lane = lane(1);
    let inner = lane.clone();
    let caught = pollster::block_on(lane.run(move || {
        inner.submit(|| panic_quietly(())).unwrap().detach();
        let run = pollster::block_on(inner.run(|| panic_quietly(())));
        let task = pollster::block_on(inner.spawn(async { panic_quietly(()) }));
        run.map(|(): ()| ()).unwrap_err().is_panic()
            && task.map(|(): ()| ()).unwrap_err().is_panic()
    }));
    assert!(caught.unwrap());
    assert_eq!(lane.stats().panicked, 3);
}

#[test]
fn no_thread_ends_of_a_thousand_panics() {
    let lane = lane(2);
    let before = thread_ids(&lane);
    for n in 0..1_000_u32 {
        let error = match n % 3 {
            0 => pollster::block_on(lane.run(move || panic_quietly(n))),
            1 => pollster::block_on(lane.spawn(async move { panic_quietly(n) })),
            _ => {
                lane.submit(move || panic_quietly(n)).unwrap().detach();
                // `rayon::spawn` has no one to give its panic to.
                pollster::block_on(lane.run(|| {
                    rayon::spawn(|| panic_quietly(()));
                    panic_quietly(())
                }))
            }
        }
        .map(|(): ()| ())
        .unwrap_err();
        assert!(error.is_panic());
    }
    assert_eq!(thread_ids(&lane), before);
}

#[test]
fn a_destructor_that_panics_ends_nothing() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_quietly("bomb");
        }
    }

    let lane = lane(1);
    let before = thread_ids(&lane);
    // As a value that nobody wants, in a begun job; the process would abort if it came through.
    let gate = Gate::default();
    let waits = gate.clone();
    lane.run(move || {
        waits.pass();
        Bomb
    })
    .detach();
    gate.open();
    // As a capture of a job that panics, that is refused, and that is removed.
    let bomb = Bomb;
    let run = pollster::block_on(lane.run(move || {
        let _bomb = &bomb;
    }));
    assert!(run.unwrap_err().is_panic());
    let bomb = Bomb;
    let task = lane.spawn(async move {
        let _bomb = bomb;
        std::future::pending::<()>().await;
    });
    until("the future waits", || {
        lane.queued() == 0 && lane.running() == 0
    });
    drop(task);
    until("the future is gone", || lane.stats().cancelled == 1);
    let occupied = Occupied::all_of(&lane);
    let bomb = Bomb;
    drop(lane.run(move || drop(bomb)));
    drop(occupied);
    assert_eq!(thread_ids(&lane), before);
}

#[test]
fn a_surrounding_that_panics_or_forgets_cancels_the_job() {
    let lane = Lane(
        Lane::builder()
            .threads(1)
            .around(|_| panic_quietly("around"))
            .build()
            .unwrap(),
    );
    assert!(
        pollster::block_on(lane.run(|| ()))
            .unwrap_err()
            .is_cancelled()
    );

    let lane = Lane(Lane::builder().threads(1).around(|_| ()).build().unwrap());
    assert!(
        pollster::block_on(lane.run(|| ()))
            .unwrap_err()
            .is_cancelled()
    );
    assert!(
        pollster::block_on(lane.spawn(async {}))
            .unwrap_err()
            .is_cancelled()
    );
    assert_eq!(lane.stats().cancelled, 2);
}

fn thread_ids(lane: &Lane) -> HashSet<thread::ThreadId> {
    let barrier = Arc::new(Barrier::new(lane.threads()));
    let runs: Vec<_> = (0..lane.threads())
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            lane.run(move || {
                barrier.wait();
                thread::current().id()
            })
        })
        .collect();
    runs.into_iter()
        .map(|run| pollster::block_on(run).unwrap())
        .collect()
}
