//! Says where a stuck thread is, once what names functions has been read: that takes too long for a report.

use std::{
    io,
    sync::{
        Arc, Once,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use crate::{
    event_loop::EventLoop,
    os::{self, NoThreads, Priority},
};

/// Nobody reads the names.
const UNREAD: u8 = 0;
/// A thread reads them.
const BEING_READ: u8 = 1;
/// They are there.
const READ: u8 = 2;

/// Finds out where threads are.
#[derive(Debug)]
pub(super) struct Whereabouts {
    wanted: bool,
    names: Arc<AtomicU8>,
}

impl Whereabouts {
    /// Says nothing unless that is `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted: wanted && offload_backtrace::AVAILABLE,
            names: Arc::default(),
        }
    }

    /// Begins to read what names functions, on a thread of its own that stands behind the others. If there is no such thread, or no
    /// memory for it, that is logged once, and tried again when somebody wants to know where a thread is.
    pub(super) fn get_ready(&self) {
        static SAID: Once = Once::new();
        if !self.wanted || self.names.load(Ordering::Acquire) != UNREAD {
            return;
        }
        self.names.store(BEING_READ, Ordering::Release);
        if let Err(error) = self.begin() {
            self.names.store(UNREAD, Ordering::Release);
            SAID.call_once(|| {
                tracing::warn!(
                    target: "offload", %error, "stalls are reported without backtraces until a thread and the memory for it can be had"
                );
            });
        }
    }

    fn begin(&self) -> io::Result<()> {
        os::room_for(offload_backtrace::room_to_prepare())?;
        let names = Arc::clone(&self.names);
        thread::Builder::new()
            .name("offload-names".to_owned())
            .spawn(move || {
                os::apply(Priority::background());
                offload_backtrace::prepare();
                names.store(READ, Ordering::Release);
            })
            .map(drop)
            .map_err(NoThreads::explained)
    }

    /// Where the thread of an event loop is at this moment: what it waits in, then the innermost call first; nothing if that can't be
    /// told yet.
    pub(super) fn of(&self, event_loop: &EventLoop) -> Vec<String> {
        self.get_ready();
        let ready = self.names.load(Ordering::Acquire) == READ;
        let Some(stack) = event_loop.stack().filter(|_| ready) else {
            return Vec::new();
        };
        match stack.backtrace() {
            Ok(taken) => taken.lines(),
            Err(unavailable) => {
                tracing::debug!(target: "offload", thread = event_loop.name(), "{unavailable}");
                Vec::new()
            }
        }
    }
}
