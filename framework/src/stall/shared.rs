//! What the handle of a watch and its thread share.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::{builder::StallWatchBuilder, report::Stalls};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: StallWatchBuilder,
    stalls: Mutex<Stalls>,
    over: AtomicBool,
}

impl Shared {
    pub(super) fn new(settings: StallWatchBuilder) -> Self {
        Self {
            settings,
            stalls: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn stalls(&self) -> MutexGuard<'_, Stalls> {
        self.stalls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
