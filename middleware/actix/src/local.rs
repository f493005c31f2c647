//! Gives each lane thread a small event loop of its own, so that any actix handler may run there.
//!
//! A lane thread owns one tokio [`LocalSet`], which the lane polls whenever it was woken, and one single-threaded runtime, in
//! which the thread sleeps ([`driver`]). So the timers and sockets of what runs on a thread are served by
//! that thread, as on an event loop. Nothing here runs on a server's event loop.

pub(crate) mod blocking;
pub(crate) mod driver;
mod record;

use std::{
    cell::RefCell,
    future,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
};

use offload_core::event_loop::EventLoops;
use tokio::{
    runtime::{Handle, Runtime},
    task::LocalSet,
};

pub(crate) use self::record::record;

thread_local! {
    static LOCAL: RefCell<Option<Rc<LocalSet>>> = const { RefCell::new(None) };
}

/// The runtime of what belongs to no lane thread: the plugin's own tasks, and futures on the lanes that change threads.
#[derive(Debug)]
pub(crate) struct SharedRuntime {
    runtime: Option<Runtime>,
}

impl SharedRuntime {
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("offload-io")
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.runtime.as_ref().map(|rt| rt.handle().clone())
    }
}

impl Drop for SharedRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The plain drop of a runtime blocks, which panics on an async thread.
            runtime.shutdown_background();
        }
    }
}

/// Takes down what a lane thread has in thread-locals, together with the future that polls its
/// `LocalSet`: destructors of apps and tasks use thread-locals themselves, which are not all there any
/// more once a thread's own are being destroyed.
struct Installed {
    at_end: fn(),
}

impl Drop for Installed {
    fn drop(&mut self) {
        // A task's destructor may look at `LOCAL`, so the set is dropped outside of the borrow.
        let set = LOCAL.with(|local| local.borrow_mut().take());
        driver::within(|| {
            drop(set);
            (self.at_end)();
        });
    }
}

/// The future that a lane thread polls for its whole life: its `LocalSet`. What the thread has made otherwise goes `at_end`.
pub(crate) fn resident(loops: &EventLoops, at_end: fn()) -> Pin<Box<dyn Future<Output = ()>>> {
    let set = Rc::new(LocalSet::new());
    record::begin(loops.lane_thread_here());
    LOCAL.with(|local| *local.borrow_mut() = Some(Rc::clone(&set)));
    let installed = Installed { at_end };
    Box::pin(async move {
        // Dropped in reverse: first the set with its tasks, then the instances that they used.
        let _installed = installed;
        let set = set;
        let mut tasks = pin!(set.run_until(future::pending::<()>()));
        poll_fn(|cx| driver::within(|| tasks.as_mut().poll(cx))).await;
    })
}

/// Starts `task` on this lane thread's `LocalSet`.
///
/// Gives the task back if the calling thread is no lane thread.
pub(crate) fn spawn_local<F>(task: F) -> Result<(), F>
where
    F: Future<Output = ()> + 'static,
{
    let set = LOCAL.with(|local| local.borrow().clone());
    match set {
        Some(set) => {
            driver::start();
            set.spawn_local(task);
            Ok(())
        }
        None => Err(task),
    }
}
