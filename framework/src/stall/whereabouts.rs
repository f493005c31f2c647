//! Says where a stuck thread is, once what names functions has been read: that takes too long for a report.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    backtrace,
    event_loop::EventLoop,
    os::{self, Priority},
};

/// Finds out where threads are.
#[derive(Debug)]
pub(super) struct Whereabouts {
    ready: Arc<AtomicBool>,
}

impl Whereabouts {
    /// Begins to read what names functions, on a thread of its own that stands behind the others, if that is `wanted`.
    pub(super) fn new(wanted: bool) -> io::Result<Self> {
        let ready = Arc::new(AtomicBool::new(false));
        if wanted && backtrace::AVAILABLE {
            let ready = Arc::clone(&ready);
            thread::Builder::new()
                .name("offload-names".to_owned())
                .spawn(move || {
                    os::apply(Priority::background());
                    backtrace::prepare();
                    ready.store(true, Ordering::Release);
                })?;
        }
        Ok(Self { ready })
    }

    /// Where the thread of an event loop is at this moment, innermost call first; nothing if that can't be told yet.
    pub(super) fn of(&self, event_loop: &EventLoop) -> Vec<String> {
        let ready = self.ready.load(Ordering::Acquire);
        let Some(stack) = event_loop.stack().filter(|_| ready) else {
            return Vec::new();
        };
        match backtrace::of_thread(stack) {
            Ok(taken) => taken.lines(),
            Err(unavailable) => {
                tracing::debug!(target: "offload", thread = event_loop.name(), "{unavailable}");
                Vec::new()
            }
        }
    }
}
