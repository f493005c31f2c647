//! The handle of a stall watch: starts its thread, ends it, and tells what it has found.

use std::{
    fmt, io,
    sync::Arc,
    thread::{self, Thread},
    time::Duration,
};

use super::{
    builder::StallWatchBuilder,
    report::{Stall, StallCount},
    rounds::Rounds,
    shared::Shared,
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

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.end();
        self.thread.unpark();
    }
}

impl StallWatch {
    /// Settings for a watch.
    pub fn builder() -> StallWatchBuilder {
        StallWatchBuilder::default()
    }

    /// How long one poll may keep an event loop before it is a stall.
    #[must_use]
    pub fn threshold(&self) -> Duration {
        self.owner.shared.settings.threshold
    }

    /// The latest stalls, at most 64, oldest first. Stalls that last and stalls without a report are among them.
    #[must_use]
    pub fn recent(&self) -> Vec<Stall> {
        self.owner.shared.stalls().latest()
    }

    /// How many stalls each route has had, in no order.
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

impl StallWatchBuilder {
    /// Starts to watch the event loops, also those that are still to come.
    ///
    /// # Errors
    ///
    /// The system's, if the thread can't be started.
    pub fn start(self, loops: &EventLoops) -> io::Result<StallWatch> {
        let shared = Arc::new(Shared::new(self));
        let mut rounds = Rounds::new(Arc::clone(&shared), loops.clone());
        let handle = thread::Builder::new()
            .name("offload-stalls".to_owned())
            .spawn(move || {
                os::wake_promptly();
                rounds.go();
            })
            .map_err(NoThreads::explained)?;
        let thread = handle.thread().clone();
        let owner = Arc::new(Owner { shared, thread });
        Ok(StallWatch { owner })
    }
}

impl fmt::Debug for StallWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallWatch")
            .field("settings", &self.owner.shared.settings)
            .finish_non_exhaustive()
    }
}
