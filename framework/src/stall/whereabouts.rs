//! Says where a stuck thread is, once what names functions has been read: that takes too long for a report.

use std::{
    io,
    sync::Once,
    thread::{self, JoinHandle},
};

use crate::{
    event_loop::EventLoop,
    os::{self, NoThreads, Priority},
};

/// Finds out where threads are.
#[derive(Debug)]
pub(super) struct Whereabouts {
    wanted: bool,
    /// The thread that reads the names, or has read them.
    reader: Option<JoinHandle<()>>,
}

impl Whereabouts {
    /// Says nothing unless that is `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted: wanted && offload_backtrace::AVAILABLE,
            reader: None,
        }
    }

    /// Begins to read what names functions, on a thread of its own that stands behind the others. If there is no such thread, or no
    /// memory for it, that is logged once, and tried again when somebody wants to know where a thread is.
    pub(super) fn get_ready(&mut self) {
        static SAID: Once = Once::new();
        if !self.wanted || self.reader.is_some() {
            return;
        }
        match begin() {
            Ok(reader) => self.reader = Some(reader),
            Err(error) => SAID.call_once(|| {
                tracing::warn!(
                    target: "offload", %error, "stalls are reported without backtraces until a thread and the memory for it can be had"
                );
            }),
        }
    }

    /// Where the thread of an event loop is at this moment: what it waits in, then the innermost call first; nothing if that can't be
    /// told yet.
    pub(super) fn of(&mut self, event_loop: &EventLoop) -> Vec<String> {
        self.get_ready();
        let ready = self.reader.as_ref().is_some_and(JoinHandle::is_finished);
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

fn begin() -> io::Result<JoinHandle<()>> {
    os::room_for(offload_backtrace::room_to_prepare())?;
    thread::Builder::new()
        .name("offload-names".to_owned())
        .spawn(|| {
            os::apply(Priority::background());
            offload_backtrace::prepare();
        })
        .map_err(NoThreads::explained)
}
