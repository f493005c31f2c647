//! Polls a handler on a lane thread: measures what it costs, contains its panics, and says to what runs
//! inside where it is and whether anybody still waits for it.

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use offload_core::{
    CancelToken, JobKey, Lanes,
    ambient::{self, Host},
    clock::Stopwatch,
    event_loop::{EventLoop, Label},
    routes::Route,
};
use offload_http::panics::PanicPayload;
use pin_project_lite::pin_project;
use tokio::task::LocalSet;

use crate::{local, panics, spans::Running};

/// What surrounds a handler on a lane thread.
pub(crate) struct LaneHost {
    lanes: Lanes,
    key: JobKey,
    token: CancelToken,
    record: Option<Arc<EventLoop>>,
    label: Label,
    tasks: Rc<LocalSet>,
    offload_met: Cell<bool>,
}

impl LaneHost {
    /// For the request that is the lane's job on the calling thread now, whose cost is remembered under `key`. What it spawns
    /// comes to `tasks`.
    pub(crate) fn new(
        lanes: Lanes,
        key: JobKey,
        route: Option<&Route>,
        tasks: Rc<LocalSet>,
    ) -> Rc<Self> {
        Rc::new(Self {
            lanes,
            key,
            token: CancelToken::current(),
            record: local::record(),
            label: Label::of(route),
            tasks,
            offload_met: Cell::new(false),
        })
    }

    /// Whether an `#[offload]` body was started under this host.
    pub(crate) fn offload_was_met(&self) -> bool {
        self.offload_met.get()
    }
}

impl Host for LaneHost {
    fn lanes(&self) -> Option<Lanes> {
        Some(self.lanes.clone())
    }

    fn offload_met(&self) {
        self.offload_met.set(true);
    }
}

/// Runs `work` as part of a request: measured, contained, inside its spans.
pub(crate) fn contained<T>(
    host: &Rc<LaneHost>,
    spans: &Running,
    work: impl FnOnce() -> T,
) -> (Result<T, PanicPayload>, Duration) {
    let _here = ambient::enter(Rc::clone(host) as Rc<dyn Host>);
    let _its_tasks = host.tasks.enter();
    spans.in_scope(|| {
        if let Some(record) = &host.record {
            record.begin_now(host.label);
        }
        let watch = Stopwatch::start();
        // A panic leaves the app's state as it would without the plugin, where the worker lives on too.
        let work = || catch_unwind(AssertUnwindSafe(work));
        let outcome = host.lanes.attribute(host.key, || host.token.scope(work));
        let cost = watch.cost();
        if let Some(record) = &host.record {
            record.end_now();
        }
        (outcome, cost)
    })
}

pin_project! {
    /// A handler's future on a lane thread.
    pub(crate) struct LaneRun<'a, F> {
        #[pin]
        inner: Option<F>,
        host: Rc<LaneHost>,
        spans: &'a Running,
        cost: Duration,
        polls: u64,
    }
}

/// How a run ended.
pub(crate) struct Ran<T> {
    pub(crate) outcome: Result<T, PanicPayload>,
    /// The sum over all polls.
    pub(crate) cost: Duration,
    pub(crate) polls: u64,
}

impl<'a, F> LaneRun<'a, F> {
    pub(crate) fn new(inner: F, host: Rc<LaneHost>, spans: &'a Running) -> Self {
        Self {
            inner: Some(inner),
            host,
            spans,
            cost: Duration::ZERO,
            polls: 0,
        }
    }

    /// Drops the handler's future where it is. If it has not ended, this is what cancels it. Returns what it has cost.
    pub(crate) fn end(self: Pin<&mut Self>, route: Option<&Arc<Route>>) -> Duration {
        let mut this = self.project();
        let (dropped, _) = contained(this.host, this.spans, || this.inner.set(None));
        if let Err(panic) = dropped {
            this.spans.in_scope(|| panics::log(route, &*panic));
        }
        *this.cost
    }
}

impl<F: Future> Future for LaneRun<'_, F> {
    type Output = Ran<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("not polled after its end");
        let (polled, cost) = contained(this.host, this.spans, || inner.poll(cx));
        *this.cost += cost;
        *this.polls += 1;
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        Poll::Ready(Ran {
            outcome,
            cost: *this.cost,
            polls: *this.polls,
        })
    }
}
