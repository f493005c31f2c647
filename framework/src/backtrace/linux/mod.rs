//! Linux on x86-64 and 64-bit ARM: looks at a thread that waits, asks one that runs, and reads what came of it.

mod calls;
mod exchange;
mod image;
mod maps;
mod names;
mod outside;
mod paths;
mod reader;
mod record;
mod signal;
mod stack;
mod timer;
mod unavailable;

use std::{
    error::Error as _,
    fs,
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use nix::unistd::gettid;

pub(crate) use self::unavailable::Unavailable;
use self::{
    exchange::Picture,
    image::PROGRAM,
    outside::Look,
    reader::Reader,
    signal::{EXCHANGE, SIGNAL},
    stack::Bounds,
    timer::Timer,
};
use super::Backtrace;
use crate::quiet;

/// Whether backtraces of other threads can be had.
pub(crate) const AVAILABLE: bool = true;

/// How long a thread may take to begin to answer, and again to end: two of the slowest kernel's ticks, and some turns of a
/// busy machine's scheduler.
const PATIENCE: Duration = Duration::from_millis(30);

/// So many times it is found out whether a thread waits or runs, while it does now one and now the other.
const LOOKS: u32 = 2;

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

/// Finds out where a thread is: what it waits in, if it waits, and its frames, innermost first.
///
/// For a thread that watches, never for a loop: it waits up to 0.1 s for the thread, and the first time reads the
/// program's file (`prepare`).
///
/// # Errors
///
/// If the thread has ended, or does not answer in time, or the signal is the program's own.
pub(crate) fn of_thread(stack: &StackOf) -> Result<Backtrace, Unavailable> {
    let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
    let (waits_in, picture) = seen(stack)?;
    let Some(picture) = picture else {
        return Ok(Backtrace::new(waits_in, Vec::new()));
    };
    match quiet::catch(|| reader.get_or_insert_with(Reader::new).read(&picture)) {
        Ok(frames) => Ok(Backtrace::new(waits_in, frames)),
        Err(payload) => {
            // It may have been left halfway through something.
            *reader = None;
            quiet::report("reading a stack", payload);
            Err(Unavailable::Unreadable)
        }
    }
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

/// How much of the address space `prepare` may take, in KiB: it maps the program's file and remembers what that says.
pub(crate) fn room_to_prepare() -> u64 {
    let program = fs::metadata(PROGRAM).map_or(0, |file| file.len());
    64 * 1024 + 2 * program / 1024
}

/// What the thread waits in, and its stack. A thread that waits is looked at from outside, one that runs is asked.
fn seen(stack: &StackOf) -> Result<(Option<String>, Option<Picture>), Unavailable> {
    let mut answer = Unavailable::NoAnswer;
    for _ in 0..LOOKS {
        answer = match outside::look(stack.thread, stack.bounds) {
            Look::Waits(call, picture) => return Ok((Some(call), picture)),
            Look::WentOn => continue,
            Look::MayRun => match drawn(stack) {
                Ok(picture) => return Ok((None, Some(picture))),
                Err(answer) => answer,
            },
        };
        // One that does not answer may have begun to wait.
        if !matches!(answer, Unavailable::NoAnswer) {
            break;
        }
    }
    Err(answer)
}

/// Has the thread draw its own stack, once it runs.
fn drawn(stack: &StackOf) -> Result<Picture, Unavailable> {
    static SAID: Once = Once::new();
    // Dropped when the answer is there, or too late.
    let mut timer = None;
    let drawn = signal::listen().and_then(|()| {
        EXCHANGE.request(stack.thread, stack.bounds, PATIENCE, || {
            timer = Some(Timer::start(stack.thread, SIGNAL)?);
            Ok(())
        })
    });
    if let Err(error @ (Unavailable::SignalTaken | Unavailable::System(_))) = &drawn {
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        SAID.call_once(|| {
            tracing::warn!(
                target: "offload", %error, source, "stalls that compute are reported without backtraces"
            );
        });
    }
    drawn
}

#[cfg(all(test, not(loom)))]
mod tests;
