//! Keeps `web::block` on the lanes within the event loops' own limits: together they run as many at a time as without lanes.
//!
//! Each lane thread has a runtime and so a blocking pool of its own, and nobody tells a plugin what limit an application has
//! set for its workers (`worker_max_blocking_threads`). So a blocking thread of a lane takes a place in an event loop's
//! pool before it runs anything, by occupying a thread there that waits for it, and gives it back at its end. A full pool
//! of a loop is full for all, and the stall watch sees it.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::runtime::{Builder, Handle, Id};

use crate::panics;

/// A blocking thread of a lane that has nothing to do gives its place back after so long.
const KEEP: Duration = Duration::from_millis(20);
/// After waiting so long for a place at one event loop, all are asked.
const ONE_LOOP: Duration = Duration::from_millis(1);

thread_local! {
    /// What the calling blocking thread occupies. The place is free again when this is dropped.
    static PLACE: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) };
    /// Where the calling thread is known as an event loop, with the runtime that it has now.
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// An event loop's entry, which goes with its thread.
struct Known {
    pools: Weak<LoopPools>,
    runtime: Id,
}

impl Drop for Known {
    fn drop(&mut self) {
        if let Some(pools) = self.pools.upgrade() {
            pools.forget(self.runtime);
        }
    }
}

/// The blocking pools of the event loops.
#[derive(Debug, Default)]
pub(crate) struct LoopPools {
    loops: Mutex<Vec<Handle>>,
    next: AtomicUsize,
}

impl LoopPools {
    /// The calling thread is an event loop with this runtime.
    pub(crate) fn add(self: &Arc<Self>, runtime: &Handle) {
        let mut loops = self.lock();
        if loops.iter().any(|known| known.id() == runtime.id()) {
            return;
        }
        loops.push(runtime.clone());
        drop(loops);
        let pools = Arc::downgrade(self);
        let before = KNOWN.with_borrow_mut(|known| {
            let before: Vec<Known> = known
                .extract_if(.., |one| {
                    one.pools.strong_count() == 0 || one.pools.ptr_eq(&pools)
                })
                .collect();
            known.push(Known {
                pools,
                runtime: runtime.id(),
            });
            before
        });
        drop(before); // The runtime that this thread had before, if it had one.
    }

    /// Has the blocking threads of the runtime that is being built take their places here.
    pub(super) fn bind(self: &Arc<Self>, builder: &mut Builder) {
        let pools = Arc::clone(self);
        builder
            .thread_keep_alive(KEEP)
            .on_thread_start(move || pools.take_place())
            .on_thread_stop(|| drop(PLACE.try_with(RefCell::take)));
    }

    /// Waits until an event loop's pool has a thread for the calling one.
    fn take_place(&self) {
        let mut loops = self.lock().clone();
        if loops.is_empty() {
            return; // No server was started, so there is no limit.
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed) % loops.len();
        loops.rotate_left(first);
        let (found, find) = mpsc::channel();
        let taken = Arc::new(AtomicBool::new(false));
        let mut left = loops.iter();
        if let Some(one) = left.next() {
            self.ask(one, &taken, &found);
        }
        let place = find.recv_timeout(ONE_LOOP).or_else(|_| {
            left.for_each(|other| self.ask(other, &taken, &found));
            drop(found);
            // An error: the loops have all ended, and their limits with them.
            find.recv()
        });
        PLACE.set(place.ok());
    }

    /// Has the pool of `runtime` keep a thread for us as soon as it has one, unless another pool was first.
    fn ask(
        &self,
        runtime: &Handle,
        taken: &Arc<AtomicBool>,
        found: &mpsc::Sender<mpsc::Sender<()>>,
    ) {
        let (taken, found) = (Arc::clone(taken), found.clone());
        let ran = Arc::new(AtomicBool::new(false));
        let runs = Arc::clone(&ran);
        let occupy = move || {
            runs.store(true, Ordering::Relaxed);
            if !taken.swap(true, Ordering::Relaxed) {
                let (keep, kept) = mpsc::channel::<()>();
                // Both ends only fail because the other one has gone.
                let _ = found.send(keep);
                let _ = kept.recv();
            }
        };
        let mut asked = None;
        // It panics if the system has no thread for it.
        panics::contain(None, || asked = Some(runtime.spawn_blocking(occupy)));
        // A runtime that has ended drops what it is given.
        if asked.is_none_or(|task| task.is_finished()) && !ran.load(Ordering::Relaxed) {
            self.forget(runtime.id());
        }
    }

    fn forget(&self, runtime: Id) {
        self.lock().retain(|known| known.id() != runtime);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Handle>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
