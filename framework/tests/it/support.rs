//! Gates, executors and a patient eye, so that no test has to guess how long something takes.

use std::{
    future::{Future, ready},
    ops::Deref,
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use offload_core::{
    Error, JobHandle, Lanes, LanesBuilder, Priority, Run, Task, Terms, clock::thread_cpu_time,
};

/// After this long a condition is taken to never become true. Far beyond what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longer than any test takes, so that nothing is refused or dropped for having waited on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// One lane whose jobs are all alike: the short one of two, to which all of them go. None of its slots is ever lent.
#[derive(Clone)]
pub(crate) struct Lane(pub(crate) Lanes);

pub(crate) fn lane(threads: usize) -> Lane {
    Lane(Lane::builder().threads(threads).build().unwrap())
}

impl Lane {
    pub(crate) fn builder() -> LanesBuilder {
        Lanes::builder()
            .priorities(Priority::Normal, Priority::Normal)
            .long_threads(1)
            .spare_threads(0)
            .short_limit(Duration::from_secs(1))
            .patience(LONG..=LONG)
    }

    pub(crate) fn run<F, T>(&self, f: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.0.run_with(&Terms::new(), f)
    }

    pub(crate) fn spawn<Fut>(&self, future: Fut) -> Task<Fut::Output>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        self.0.submit_future(&Terms::new(), future)
    }

    pub(crate) fn submit(&self, f: impl FnOnce() + Send + 'static) -> Result<JobHandle, Error> {
        self.0.submit(&Terms::new(), f)
    }
}

impl Deref for Lane {
    type Target = Lanes;

    fn deref(&self) -> &Lanes {
        &self.0
    }
}

type Resident = Pin<Box<dyn Future<Output = ()>>>;

/// Gives only the threads of the short lane a resident.
pub(crate) fn of_the_short_lane(build: impl Fn(usize) -> Resident) -> impl Fn(usize) -> Resident {
    move |index| {
        let is_short = |name: &str| name.contains("-short-");
        if thread::current().name().is_some_and(is_short) {
            build(index)
        } else {
            Box::pin(ready(()))
        }
    }
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
    /// Of the short lane.
    pub(crate) fn all_of(lanes: &Lanes) -> Self {
        Self::all(lanes, lanes.short().threads, &Terms::new().patience(LONG))
    }

    /// Of the long lane.
    pub(crate) fn all_of_long(lanes: &Lanes) -> Self {
        let terms = Terms::new().cost(Duration::from_secs(2)).patience(LONG);
        Self::all(lanes, lanes.long().threads, &terms)
    }

    fn all(lanes: &Lanes, threads: usize, terms: &Terms) -> Self {
        let gate = Gate::default();
        let begun = Arc::new(std::sync::Barrier::new(threads + 1));
        for _ in 0..threads {
            let (gate, begun) = (gate.clone(), Arc::clone(&begun));
            let job = move || {
                begun.wait();
                gate.pass();
            };
            lanes.submit(terms, job).unwrap().detach();
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
