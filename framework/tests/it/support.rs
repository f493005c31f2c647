//! Gates, executors and a patient eye, so that no test has to guess how long something takes.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use offload_core::{Lane, clock::thread_cpu_time};

/// After this long a condition is taken to never become true. Far beyond what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn lane(threads: usize) -> Lane {
    Lane::builder().threads(threads).build().unwrap()
}

/// Waits until `condition` is true.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "still waiting until {what}");
        thread::yield_now();
    }
}

/// Computes for so long, whatever else the kernel runs meanwhile.
pub(crate) fn burn(cost: Duration) {
    let start = thread_cpu_time();
    while thread_cpu_time() - start < cost {}
}

/// Drives the future on every executor that the crate promises to work with.
pub(crate) fn on_each_executor<Fut: Future<Output = ()>>(test: impl Fn() -> Fut) {
    pollster::block_on(test());
    smol::block_on(test());
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(test());
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
        .block_on(test());
}

/// Ends the calling job by a panic whose message nobody prints.
pub(crate) fn panic_quietly(payload: impl Send + 'static) -> ! {
    std::panic::resume_unwind(Box::new(payload))
}

/// Shut until it is opened, for threads and for futures.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Default)]
struct Inner {
    open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    pub(crate) fn open(&self) {
        let mut inner = self.0.0.lock().unwrap();
        inner.open = true;
        let wakers = std::mem::take(&mut inner.wakers);
        drop(inner);
        self.0.1.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Holds the calling thread until the gate is open.
    #[track_caller]
    pub(crate) fn pass(&self) {
        let inner = self.0.0.lock().unwrap();
        let (_inner, timeout) = self
            .0
            .1
            .wait_timeout_while(inner, PATIENCE, |inner| !inner.open)
            .unwrap();
        assert!(!timeout.timed_out(), "nobody opened the gate");
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.0.lock().unwrap().wakers.len()
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.0.0.lock().unwrap();
        if inner.open {
            return Poll::Ready(());
        }
        inner.wakers.push(cx.waker().clone());
        Poll::Pending
    }
}

/// Holds all threads of a lane in jobs until it is dropped.
pub(crate) struct Occupied(Gate);

impl Occupied {
    pub(crate) fn all_of(lane: &Lane) -> Self {
        let gate = Gate::default();
        let begun = Arc::new(std::sync::Barrier::new(lane.threads() + 1));
        for _ in 0..lane.threads() {
            let (gate, begun) = (gate.clone(), Arc::clone(&begun));
            lane.submit(move || {
                begun.wait();
                gate.pass();
            })
            .unwrap()
            .detach();
        }
        begun.wait();
        Self(gate)
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Counts how often it was dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<()>);

impl Drops {
    /// Something that is alive until it is dropped.
    pub(crate) fn token(&self) -> Arc<()> {
        Arc::clone(&self.0)
    }

    pub(crate) fn alive(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}
