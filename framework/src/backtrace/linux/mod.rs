//! Linux on x86-64 and 64-bit ARM: asks the thread, then reads what it left.

mod exchange;
mod image;
mod maps;
mod names;
mod paths;
mod reader;
mod signal;
mod stack;
mod unavailable;

use std::{
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use nix::unistd::gettid;

pub(crate) use self::unavailable::Unavailable;
use self::{exchange::Picture, reader::Reader, signal::EXCHANGE, stack::Bounds};
use super::Backtrace;
use crate::quiet;

/// Whether backtraces of other threads can be had.
pub(crate) const AVAILABLE: bool = true;

/// How long a thread may take to begin to answer, and again to end: some turns of a busy machine's scheduler.
const PATIENCE: Duration = Duration::from_millis(20);

/// Where the stack of one thread lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackOf {
    thread: i32,
    bounds: Bounds,
}

impl StackOf {
    /// The calling thread's. Allocates and reads a file, so it is for the thread's beginning.
    ///
    /// None if the C library does not tell.
    pub(crate) fn current() -> Option<Self> {
        let bounds = signal::bounds()?;
        let thread = gettid().as_raw();
        Some(Self { thread, bounds })
    }
}

/// Who may ask, one at a time, with what was learned on the way. No watched thread takes this lock for its own sake.
static READER: Mutex<Option<Reader>> = Mutex::new(None);

/// Takes a picture of a thread's stack and names its frames, innermost first.
///
/// For a thread that watches, never for a loop: it waits up to 40 ms for the thread, and the first time reads the
/// program's file (`prepare`).
///
/// # Errors
///
/// If the thread has ended, or does not answer in time, or the signal is the program's own.
pub(crate) fn of_thread(stack: &StackOf) -> Result<Backtrace, Unavailable> {
    let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
    let picture = picture(stack)?;
    let read = quiet::catch(|| reader.get_or_insert_with(Reader::new).read(&picture));
    read.map_err(|payload| {
        // It may have been left halfway through something.
        *reader = None;
        quiet::report("reading a stack", payload);
        Unavailable::Unreadable
    })
}

/// Reads the files that name functions beforehand, so that the first backtrace comes as soon as the later ones.
///
/// For the thread that watches: takes some tenths of a second for a program without optimisation, and memory for good.
pub(crate) fn prepare() {
    let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(payload) = quiet::catch(|| reader.get_or_insert_with(Reader::new).prepare()) {
        *reader = None;
        quiet::report("reading the program", payload);
    }
}

fn picture(stack: &StackOf) -> Result<Picture, Unavailable> {
    static SAID: Once = Once::new();
    signal::listen().inspect_err(|error| {
        SAID.call_once(|| {
            tracing::warn!(target: "offload", %error, "stalls are reported without backtraces");
        });
    })?;
    EXCHANGE.request(stack.thread, stack.bounds, PATIENCE, || {
        signal::ring(stack.thread)
    })
}

#[cfg(all(test, not(loom)))]
mod tests;
