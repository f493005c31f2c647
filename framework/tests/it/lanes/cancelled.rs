//! Running jobs hear that nobody waits for them any more, and only those.

use std::sync::{Arc, Barrier, mpsc};

use offload_core::{CancelToken, Terms, is_cancelled};

use super::patient;
use crate::support::{Gate, until};

#[test]
fn outside_of_jobs_nothing_is_cancelled() {
    assert!(!is_cancelled());
    assert!(!CancelToken::current().is_cancelled());
    assert!(!CancelToken::default().is_cancelled());
    let lanes = patient().threads(1).build().unwrap();
    // Not after a job either that was awaited to its end, on its thread or on this one.
    let token = pollster::block_on(lanes.run(CancelToken::current)).unwrap();
    assert!(!token.is_cancelled() && !is_cancelled());
}

/// Reports what a closure saw before and after its owner has let go of it.
struct Witness {
    begun: Arc<Barrier>,
    gone: Gate,
    seen: mpsc::Receiver<(bool, bool)>,
}

impl Witness {
    fn new() -> (Self, impl FnOnce() + Send + 'static) {
        let (sender, seen) = mpsc::channel();
        let witness = Self {
            begun: Arc::new(Barrier::new(2)),
            gone: Gate::default(),
            seen,
        };
        let (begun, gone) = (Arc::clone(&witness.begun), witness.gone.clone());
        let job = move || {
            let before = is_cancelled();
            begun.wait();
            gone.pass();
            sender.send((before, is_cancelled())).unwrap();
        };
        (witness, job)
    }

    fn after(self, let_go: impl FnOnce()) -> (bool, bool) {
        self.begun.wait();
        let_go();
        self.gone.open();
        self.seen.recv().unwrap()
    }
}

#[test]
fn a_closure_hears_that_its_owner_has_gone() {
    let lanes = patient().threads(1).build().unwrap();
    let (witness, job) = Witness::new();
    let run = lanes.run(job);
    assert_eq!(witness.after(|| drop(run)), (false, true));

    let (witness, job) = Witness::new();
    let handle = lanes.submit(&Terms::new(), job).unwrap();
    assert_eq!(witness.after(|| drop(handle)), (false, true));

    let (witness, job) = Witness::new();
    let handle = lanes.submit(&Terms::new(), job).unwrap();
    let cancelled = witness.after(|| assert!(!handle.cancel(), "it had begun"));
    assert_eq!(cancelled, (false, true));
}

#[test]
fn a_job_whose_owner_stays_or_detached_it_is_not_cancelled() {
    let lanes = patient().threads(1).build().unwrap();
    let (witness, job) = Witness::new();
    let run = lanes.run(job);
    assert_eq!(witness.after(|| ()), (false, false));
    pollster::block_on(run).unwrap();

    let (witness, job) = Witness::new();
    lanes.run(job).detach();
    assert_eq!(witness.after(|| ()), (false, false));

    let (witness, job) = Witness::new();
    lanes.submit(&Terms::new(), job).unwrap().detach();
    assert_eq!(witness.after(|| ()), (false, false));

    let (witness, job) = Witness::new();
    let run = lanes.run(job);
    assert_eq!(witness.after(|| run.detach()), (false, false));
}

#[test]
fn a_job_on_the_thread_of_a_cancelled_one_is_not_cancelled() {
    let lanes = patient().threads(1).spare_threads(0).build().unwrap();
    let (witness, job) = Witness::new();
    let run = lanes.run(job);
    assert_eq!(witness.after(|| drop(run)), (false, true));
    assert!(!pollster::block_on(lanes.run(is_cancelled)).unwrap());
}

#[test]
fn a_future_hears_it_inside_of_a_poll() {
    let lanes = patient().threads(1).build().unwrap();
    let (witness, job) = Witness::new();
    let task = lanes.spawn(async move {
        // The token comes along to later polls, too.
        let mut polled = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut polled, true) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        job();
    });
    assert_eq!(witness.after(|| drop(task)), (false, true));
}

#[test]
fn a_token_tells_the_other_half_of_a_join() {
    let lanes = patient().threads(2).build().unwrap();
    let (sender, seen) = mpsc::channel();
    let (begun, gone) = (Arc::new(Barrier::new(2)), Gate::default());
    let (meets, left) = (Arc::clone(&begun), gone.clone());
    let run = lanes.run(move || {
        let token = CancelToken::current();
        // Both halves have to be there before either goes on, so they are on different threads.
        let both = Barrier::new(2);
        let other = || {
            // Before the other half can say that it is there.
            let before = token.is_cancelled();
            both.wait();
            left.pass();
            let own = is_cancelled();
            let scoped = token.scope(is_cancelled);
            (before, own, token.is_cancelled(), scoped, is_cancelled())
        };
        let this = || {
            both.wait();
            meets.wait();
            left.pass();
            is_cancelled()
        };
        sender.send(rayon::join(this, other)).unwrap();
    });
    begun.wait();
    drop(run);
    gone.open();
    let (this, (before, _, token, scoped, after)) = seen.recv().unwrap();
    assert!(this, "the job's own thread knows");
    assert!(!before && token && scoped);
    assert!(!after, "the scope is left behind");
    until("the lanes are at rest", || lanes.running() == 0);
}
