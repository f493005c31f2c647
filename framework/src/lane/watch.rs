//! Wakes a lane's watch when there is work, and lets it sleep for good while there is none; `rounds.rs` is what it does.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering, fence},
    },
    thread::Thread,
    time::Duration,
};

/// The lane's side of its watch.
pub(crate) struct Watch {
    pub(super) quantum: Option<Duration>,
    thread: OnceLock<Thread>,
    awake: AtomicBool,
    over: AtomicBool,
}

impl Watch {
    /// A watch that finds a job overdue after `quantum`, or never.
    pub(crate) fn new(quantum: Option<Duration>) -> Self {
        Self {
            quantum,
            thread: OnceLock::new(),
            awake: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// A piece of work has begun. Costs a fence while the watch is awake anyway.
    pub(crate) fn work_began(&self) {
        fence(Ordering::SeqCst); // Against the one in `rest`.
        if !self.awake.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// The lane ends.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// A job has begun of which nothing is known, so the next look is to come soon.
    pub(crate) fn hurry(&self) {
        if self.quantum.is_some()
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    #[cold]
    fn wake(&self) {
        if !self.awake.swap(true, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// This is its thread. Called once.
    pub(super) fn attend(&self, thread: Thread) {
        let _ = self.thread.set(thread);
        // Work that has begun before it was known is met now.
        self.wake();
    }

    pub(super) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::SeqCst)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Declares the watch asleep unless work has begun in the meantime.
    pub(super) fn may_rest(&self, is_at_work: impl FnOnce() -> bool) -> bool {
        self.awake.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst); // Of work that begins now, either we see it or its thread sees us asleep.
        if is_at_work() {
            self.awake.store(true, Ordering::SeqCst);
            return false;
        }
        true
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("quantum", &self.quantum)
            .finish_non_exhaustive()
    }
}
