//! The future that each lane thread owns: woken from anywhere, fair to the jobs, and at home on its thread.

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Waker},
    thread::{self, ThreadId},
};

use crate::support::{Gate, Lane, Occupied, of_the_short_lane, panic_quietly, until};

#[derive(Default)]
struct Watched {
    waker: Mutex<Option<Waker>>,
    asked: AtomicUsize,
    answered: AtomicUsize,
    polls: AtomicUsize,
    threads: Mutex<Vec<ThreadId>>,
}

impl Watched {
    fn wake(&self) {
        self.waker.lock().unwrap().as_ref().unwrap().wake_by_ref();
    }
}

/// A lane whose residents answer with what they are asked, one record a thread.
fn answering_lane(threads: usize) -> (Lane, Vec<Arc<Watched>>) {
    let watched: Vec<Arc<Watched>> = (0..threads).map(|_| Arc::default()).collect();
    let all = watched.clone();
    let lane = Lane(
        Lane::builder()
            .threads(threads)
            .local(of_the_short_lane(move |index| {
                let mine = Arc::clone(&all[index]);
                let not_send = Rc::new(());
                Box::pin(poll_fn(move |cx| {
                    let _still_here = &not_send;
                    mine.polls.fetch_add(1, SeqCst);
                    mine.threads.lock().unwrap().push(thread::current().id());
                    mine.answered.store(mine.asked.load(SeqCst), SeqCst);
                    *mine.waker.lock().unwrap() = Some(cx.waker().clone());
                    Poll::<()>::Pending
                }))
            }))
            .build()
            .unwrap(),
    );
    until("all residents are there", || {
        watched.iter().all(|it| it.waker.lock().unwrap().is_some())
    });
    (lane, watched)
}

#[test]
fn each_thread_polls_its_own_resident_only() {
    let (lane, watched) = answering_lane(3);
    for one in &watched {
        let polls = one.polls.load(SeqCst);
        one.wake();
        until("it was polled", || one.polls.load(SeqCst) > polls);
    }
    let mut homes = Vec::new();
    for one in &watched {
        let mut threads = one.threads.lock().unwrap().clone();
        threads.dedup();
        assert_eq!(threads.len(), 1);
        homes.push(threads[0]);
    }
    homes.dedup();
    assert_eq!(homes.len(), 3);
    until("all is quiet", || lane.running() == 0);
}

/// Wakes race with the thread's going idle; a single lost one would hang this.
#[test]
fn no_wake_up_from_a_foreign_thread_is_lost() {
    let (lane, watched) = answering_lane(2);
    thread::scope(|scope| {
        for one in &watched {
            scope.spawn(|| {
                for question in 1..=3_000 {
                    one.asked.store(question, SeqCst);
                    one.wake();
                    until("it answers", || one.answered.load(SeqCst) == question);
                }
            });
        }
        // Jobs come and go meanwhile, so that the threads are now busy, now idle.
        scope.spawn(|| {
            for _ in 0..3_000 {
                pollster::block_on(lane.run(|| ())).unwrap();
            }
        });
    });
}

#[test]
fn a_wake_up_during_a_job_is_heard_after_it() {
    let (lane, watched) = answering_lane(1);
    let one = Arc::clone(&watched[0]);
    let polls = pollster::block_on(lane.run(move || {
        one.wake();
        one.polls.load(SeqCst)
    }))
    .unwrap();
    until("it was polled", || watched[0].polls.load(SeqCst) > polls);
}

#[test]
fn a_resident_that_always_wakes_itself_takes_turns_with_the_jobs() {
    let polls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&polls);
    let lane = Lane(
        Lane::builder()
            .threads(1)
            .local(of_the_short_lane(move |_| {
                let count = Arc::clone(&count);
                Box::pin(poll_fn(move |cx| {
                    count.fetch_add(1, SeqCst);
                    cx.waker().wake_by_ref();
                    Poll::<()>::Pending
                }))
            }))
            .build()
            .unwrap(),
    );
    let occupied = Occupied::all_of(&lane);
    let runs: Vec<_> = (0..200)
        .map(|_| {
            let polls = Arc::clone(&polls);
            lane.run(move || polls.load(SeqCst))
        })
        .collect();
    drop(occupied);
    let seen: Vec<usize> = runs
        .into_iter()
        .map(|run| pollster::block_on(run).unwrap())
        .collect();
    assert!(
        seen.windows(2).all(|pair| pair[0] < pair[1]),
        "one poll at least between two jobs: {seen:?}"
    );
    drop(lane);
    until("its thread has ended", || Arc::strong_count(&polls) == 1);
}

#[test]
fn a_panic_of_a_resident_is_counted_and_survived() {
    let armed = Arc::new(AtomicUsize::new(0));
    let waker = Arc::new(Mutex::new(None::<Waker>));
    let (trigger, shown) = (Arc::clone(&armed), Arc::clone(&waker));
    let lane = Lane(
        Lane::builder()
            .threads(1)
            .local(of_the_short_lane(move |_| {
                let (trigger, shown) = (Arc::clone(&trigger), Arc::clone(&shown));
                Box::pin(poll_fn(move |cx| {
                    *shown.lock().unwrap() = Some(cx.waker().clone());
                    if trigger.swap(0, SeqCst) == 1 {
                        panic_quietly("resident");
                    }
                    Poll::<()>::Pending
                }))
            }))
            .build()
            .unwrap(),
    );
    until("it is there", || waker.lock().unwrap().is_some());
    for panics in 1..=5 {
        armed.store(1, SeqCst);
        waker.lock().unwrap().as_ref().unwrap().wake_by_ref();
        until("the panic is counted", || {
            lane.stats().resident_panics == panics
        });
        assert_eq!(pollster::block_on(lane.run(|| 1)).unwrap(), 1);
    }
    assert_eq!(lane.stats().panicked, 0, "no job has panicked");
}

#[test]
fn a_resident_whose_builder_panics_leaves_a_working_thread() {
    let lane = Lane(
        Lane::builder()
            .threads(2)
            .local(|index| {
                if index == 0 {
                    panic_quietly("builder");
                }
                Box::pin(async {})
            })
            .build()
            .unwrap(),
    );
    drop(Occupied::all_of(&lane));
    assert_eq!(pollster::block_on(lane.run(|| 1)).unwrap(), 1);
}

#[test]
fn the_surrounding_is_there_for_all_work() {
    thread_local!(static INSIDE: RefCell<u32> = const { RefCell::new(0) });
    fn inside() -> bool {
        INSIDE.with(|inside| *inside.borrow() > 0)
    }
    struct Checks(mpsc::Sender<(&'static str, bool)>);
    impl Drop for Checks {
        fn drop(&mut self) {
            let _ = self.0.send(("drop", inside()));
        }
    }

    let (sender, seen) = mpsc::channel();
    let lane = Lane(
        Lane::builder()
            .threads(1)
            .around(|work| {
                INSIDE.with(|inside| *inside.borrow_mut() += 1);
                work();
                INSIDE.with(|inside| *inside.borrow_mut() -= 1);
            })
            .local(of_the_short_lane(move |_| {
                let checks = Checks(sender.clone());
                let _ = checks.0.send(("build", inside()));
                Box::pin(poll_fn(move |_| {
                    let _ = checks.0.send(("poll", inside()));
                    Poll::Pending
                }))
            }))
            .build()
            .unwrap(),
    );
    let gate = Gate::default();
    let waits = gate.clone();
    let task = lane.spawn(async move {
        let first = inside();
        waits.await;
        first && inside()
    });
    until("the future waits", || gate.waiting() == 1);
    gate.open();
    assert!(pollster::block_on(task).unwrap());
    assert!(pollster::block_on(lane.run(inside)).unwrap());
    drop(lane);
    let seen: Vec<_> = seen.into_iter().collect();
    assert_eq!(seen, [("build", true), ("poll", true), ("drop", true)]);
}

/// What the core does not know but an adapter builds from it: a tokio event loop on each lane thread.
#[test]
fn a_local_set_makes_each_thread_a_small_event_loop() {
    type Handler = Box<dyn FnOnce() + Send>;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let (sender, receiver) = smol::channel::unbounded::<Handler>();
    let lane = Lane(
        Lane::builder()
            .threads(2)
            .around(move |work| {
                let _entered = handle.enter();
                work();
            })
            .local(of_the_short_lane(move |_| {
                let receiver = receiver.clone();
                let set = tokio::task::LocalSet::new();
                Box::pin(async move {
                    set.run_until(async move {
                        while let Ok(handler) = receiver.recv().await {
                            handler();
                        }
                    })
                    .await;
                })
            }))
            .build()
            .unwrap(),
    );

    let (tell, told) = mpsc::channel();
    let all = Arc::new(tokio::sync::Barrier::new(60));
    for n in 0..60_u32 {
        let (tell, all) = (tell.clone(), Arc::clone(&all));
        let handler: Handler = Box::new(move || {
            tokio::task::spawn_local(async move {
                let not_send = Rc::new(n);
                // All sixty wait at once on two threads, or this would never end.
                all.wait().await;
                tell.send(*not_send).unwrap();
            });
        });
        sender.send_blocking(handler).unwrap();
    }
    let mut answers: Vec<u32> = (0..60).map(|_| told.recv().unwrap()).collect();
    answers.sort_unstable();
    assert!(answers.into_iter().eq(0..60));
    drop(lane);
}
