//! Runs a part of a request on a lane thread: measures what it costs, contains its panics, and says to what runs
//! inside where it is and whether anybody still waits for it.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
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
use tokio::task::LocalSet;

use offload_http::spans::Running;

use crate::local;

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
