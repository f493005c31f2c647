//! A lane thread's own tokio runtime: the thread sleeps in it, so that it serves its own timers and sockets.
//!
//! It is made when the first request comes to the thread: a spare thread that never gets one costs no file descriptors.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    sync::{Arc, Once},
    thread,
};

use offload_core::{Park, Unpark, event_loop::Label};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    task,
};

use super::{blocking::LoopPools, record::record};

thread_local! {
    static OWN: RefCell<Option<Rc<Own>>> = const { RefCell::new(None) };
}

/// What a lane thread sleeps in.
struct Own {
    pools: Arc<LoopPools>,
    /// `None` inside if there could be none; the shared runtime serves what runs here, then.
    runtime: OnceCell<Option<Runtime>>,
}

/// Sleeps in the thread's own runtime once there is one.
pub(crate) struct Driver {
    own: Rc<Own>,
    called: Arc<Notify>,
}

impl Driver {
    /// For the calling lane thread.
    pub(crate) fn here(pools: &Arc<LoopPools>) -> Self {
        let own = Rc::new(Own {
            pools: Arc::clone(pools),
            runtime: OnceCell::new(),
        });
        OWN.set(Some(Rc::clone(&own)));
        Self {
            own,
            called: Arc::default(),
        }
    }

    /// Serves the thread's timers, sockets and tasks until `until` is there. The stall watch hears of it where tasks, which
    /// may compute, are among them.
    fn drive(&self, runtime: &Runtime, until: impl Future<Output = ()>) {
        let record = self.drives_tasks().then(record).flatten();
        if let Some(record) = &record {
            record.begin_now(Label::TASKS);
        }
        runtime.block_on(until);
        if let Some(record) = &record {
            record.end_now();
        }
    }
}

impl Park for Driver {
    fn park(&mut self) {
        match self.own.runtime() {
            Some(runtime) => self.drive(runtime, self.called.notified()),
            None => thread::park(),
        }
    }

    fn breathe(&mut self) {
        if let Some(runtime) = self.own.runtime() {
            // The yield ends after one look at what is due.
            self.drive(runtime, task::yield_now());
        }
    }

    fn drives_tasks(&self) -> bool {
        let runtime = self.own.runtime();
        runtime.is_some_and(|runtime| runtime.metrics().num_alive_tasks() > 0)
    }

    fn unparker(&self) -> Unpark {
        let (called, thread) = (Arc::clone(&self.called), thread::current());
        Box::new(move || {
            // Whichever way it sleeps; the other one remembers it, which is harmless.
            called.notify_one();
            thread.unpark();
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nothing can enter it any more; it ends with the last that holds it.
        let _ = OWN.try_with(|own| own.take());
    }
}

impl Own {
    fn runtime(&self) -> Option<&Runtime> {
        self.runtime.get()?.as_ref()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            // Without waiting for what runs in its blocking pool.
            runtime.shutdown_background();
        }
    }
}

/// Makes the calling lane thread's runtime, if it has none yet.
pub(crate) fn start() {
    OWN.with_borrow(|own| {
        if let Some(own) = own {
            own.runtime
                .get_or_init(|| build(&own.pools).map_err(report).ok());
        }
    });
}

fn build(pools: &Arc<LoopPools>) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    pools.bind(&mut builder);
    builder.thread_name("offload-blocking").enable_all().build()
}

fn report(error: std::io::Error) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            target: "offload",
            %error,
            "a lane thread gets no timers and sockets of its own; all such threads share one runtime, which is slower"
        );
    });
}

/// Has what `work` starts use the timers and sockets of the calling lane thread, if it has its own.
pub(crate) fn within<T>(work: impl FnOnce() -> T) -> T {
    let own = OWN.with_borrow(Option::clone);
    let runtime = own.as_ref().and_then(|own| own.runtime());
    let _entered = runtime.map(Runtime::enter);
    work()
}
