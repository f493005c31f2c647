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
mod thread;
mod timer;

use std::{
    any::Any,
    error::Error as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use nix::unistd::gettid;

use self::{
    exchange::Picture,
    image::PROGRAM,
    outside::Look,
    reader::Reader,
    signal::{EXCHANGE, SIGNAL},
    stack::Bounds,
    timer::Timer,
};
use crate::{Backtrace, Unavailable};

/// Whether backtraces of other threads can be had on this platform.
pub const AVAILABLE: bool = true;

/// How long a thread may take to begin to answer, and again to end: two of the slowest kernel's ticks, and some turns of a
/// busy machine's scheduler.
const PATIENCE: Duration = Duration::from_millis(30);

/// So many times it is found out whether a thread waits or runs, while it does now one and now the other.
const LOOKS: u32 = 2;

/// Where the stack of one thread lies. It may be kept for longer than the thread lives.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    thread: i32,
    bounds: Bounds,
}

impl Stack {
    /// The calling thread's. Allocates and reads a file, so it is for the thread's beginning.
    ///
    /// `None` if the C library does not tell.
    #[must_use]
    pub fn current() -> Option<Self> {
        let bounds = signal::bounds()?;
        let thread = gettid().as_raw();
        Some(Self { thread, bounds })
    }

    /// Finds out where the thread is: what it waits in, if it waits, and its frames, innermost first.
    ///
    /// For a thread that watches, never for an event loop: it waits up to 0.1 s for the thread, and the first time reads the
    /// program's file ([`prepare`]).
    ///
    /// # Errors
    ///
    /// If the thread has ended, or does not answer in time, or the signal is the program's own.
    pub fn backtrace(&self) -> Result<Backtrace, Unavailable> {
        let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
        let (waits_in, picture) = seen(self)?;
        let frames = match picture {
            Some(picture) => with(&mut reader, |reader| reader.read(&picture))?,
            None => Vec::new(),
        };
        Ok(Backtrace { waits_in, frames })
    }
}

/// Who may ask, one at a time, with what was learned on the way. No watched thread takes this lock for its own sake.
static READER: Mutex<Option<Reader>> = Mutex::new(None);

/// Works with the reader. The code that reads files and stacks is not ours: a panic in it is logged, and the next who asks gets
/// a new reader.
fn with<T>(
    reader: &mut Option<Reader>,
    work: impl FnOnce(&mut Reader) -> T,
) -> Result<T, Unavailable> {
    let work = AssertUnwindSafe(|| work(reader.get_or_insert_with(Reader::new)));
    catch_unwind(work).map_err(|panic| {
        // It may have been left halfway through something.
        *reader = None;
        tracing::error!(target: "offload", panic = message(&*panic), "reading a stack panicked");
        Unavailable::Unreadable
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(not a string)")
}

/// Reads the files that name functions beforehand, so that the first backtrace comes as soon as the later ones.
///
/// For the thread that watches: takes some tenths of a second for a program without optimisation, and memory for good.
pub fn prepare() {
    let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
    // What went wrong is logged, and does so again where somebody wants a backtrace.
    let _ = with(&mut reader, Reader::prepare);
}

/// How much of the address space [`prepare`] may take, in KiB: it maps the program's file and remembers what that says.
#[must_use]
pub fn room_to_prepare() -> u64 {
    let program = fs::metadata(PROGRAM).map_or(0, |file| file.len());
    64 * 1024 + 2 * program / 1024
}

/// What the thread waits in, and its stack. A thread that waits is looked at from outside, one that runs is asked.
fn seen(stack: &Stack) -> Result<(Option<String>, Option<Picture>), Unavailable> {
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
fn drawn(stack: &Stack) -> Result<Picture, Unavailable> {
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

#[cfg(test)]
mod tests;
