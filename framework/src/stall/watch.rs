//! The handle of a stall watch: starts its thread, ends it, and tells what it has found.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use super::{
    builder::StallWatchBuilder,
    report::{Stall, StallCount, Stalls},
    rounds::Rounds,
};
use crate::{
    event_loop::EventLoops,
    os::{self, NoThreads},
};

/// Watches event loops for stalls; see the [module](crate::stall). Clones share everything, and when the last one is dropped the
/// watch ends.
#[derive(Clone)]
pub struct StallWatch {
    owner: Arc<Owner>,
}

/// What all clones hold, and the watch's thread does not.
struct Owner {
    shared: Arc<Shared>,
    thread: Thread,
}

/// What the handle and the thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: StallWatchBuilder,
    stalls: Mutex<Stalls>,
    over: AtomicBool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl StallWatch {
    /// Settings for a watch.
    pub fn builder() -> StallWatchBuilder {
        StallWatchBuilder::default()
    }

    pub(super) fn start(settings: StallWatchBuilder, loops: EventLoops) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            settings,
            stalls: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let mut rounds = Rounds::new(Arc::clone(&shared), loops);
        let handle = thread::Builder::new()
            .name("offload-stalls".to_owned())
            .spawn(move || {
                os::wake_promptly();
                rounds.go();
            })
            .map_err(NoThreads::explained)?;
        Ok(Self {
            owner: Arc::new(Owner {
                shared,
                thread: handle.thread().clone(),
            }),
        })
    }

    /// For how long one poll may keep an event loop.
    #[must_use]
    pub fn threshold(&self) -> Duration {
        self.owner.shared.settings.threshold
    }

    /// The latest stalls, at most 64, oldest first; also those that last, and those of which no report was made.
    #[must_use]
    pub fn recent(&self) -> Vec<Stall> {
        self.owner.shared.stalls().latest()
    }

    /// How often each route was found stalled, in no order.
    #[must_use]
    pub fn counts(&self) -> Vec<StallCount> {
        self.owner.shared.stalls().counts()
    }

    /// How many reports the cap has suppressed so far.
    #[must_use]
    pub fn suppressed(&self) -> u64 {
        self.owner.shared.stalls().suppressed
    }
}

impl Shared {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn stalls(&self) -> MutexGuard<'_, Stalls> {
        self.stalls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StallWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallWatch")
            .field("settings", &self.owner.shared.settings)
            .finish_non_exhaustive()
    }
}
