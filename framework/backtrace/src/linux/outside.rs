//! What a thread waits in, and its stack, read from outside while it waits: it is not asked and does not notice.
//!
//! The kernel says in `/proc` which system call a waiting thread is in, with two of its registers, and shows this process its own
//! memory as a file. A thread that used no CPU time between two looks did not run, so all that was read in between belongs together.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

use super::{
    calls,
    exchange::{Picture, Registers},
    stack::{Bounds, WORD},
    thread::{cpu_time, is_waiting},
};

/// The memory of this process.
pub(super) const MEMORY: &str = "/proc/self/mem";

/// What the kernel says of a thread that has been woken, whether or not it has a core.
const AWAKE: &str = "running";

/// What can be told of a thread without asking it.
#[derive(Debug)]
pub(super) enum Look {
    /// It waits in this. Its stack, if that could be read.
    Waits(String, Option<Picture>),
    /// It went on while it was looked at.
    WentOn,
    /// It runs, or would if it got a core; or nothing can be told of it.
    MayRun,
}

/// Looks at the thread, whose stack lies there.
pub(super) fn look(thread: i32, bounds: Bounds) -> Look {
    let used = cpu_time(thread);
    // In this order: one that has begun to wait since its time was read is seen to have gone on.
    if is_waiting(thread) != Some(true) {
        return Look::MayRun;
    }
    let call = said(thread, "syscall");
    if call.as_deref().is_some_and(|call| call.starts_with(AWAKE)) {
        return Look::MayRun;
    }
    let wait = call.as_deref().map_or(Wait::UNKNOWN, wait_in);
    let picture = wait.place.and_then(|place| picture(place, bounds));
    let inner = said(thread, "wchan").unwrap_or_default();
    if (cpu_time(thread), said(thread, "syscall")) != (used, call) {
        return Look::WentOn;
    }
    let call = wait.call.unwrap_or_else(|| in_kernel(&inner));
    Look::Waits(call, picture)
}

/// A file of what the kernel says of a thread. There may be no `/proc`, and a process that has changed its user may not read all of it.
fn said(thread: i32, what: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/task/{thread}/{what}")).ok()
}

/// What the kernel says of a wait.
#[derive(Debug, PartialEq, Eq)]
struct Wait {
    call: Option<String>,
    place: Option<Place>,
}

/// Where in the program a thread has gone into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    sp: u64,
    pc: u64,
}

impl Wait {
    const UNKNOWN: Self = Self {
        call: None,
        place: None,
    };
}

/// `202 0x7f… 0x80 0x2 0x0 0x0 0x0 0x7ffd… 0x7f…`: number, arguments, stack pointer, program counter; `-1` and these two if it waits for
/// memory; `running`.
fn wait_in(text: &str) -> Wait {
    let mut words = text.split_ascii_whitespace();
    let number = words.next().and_then(|number| number.parse().ok());
    let Some(number) = number else {
        return Wait::UNKNOWN;
    };
    let call = match number {
        -1 => "memory".to_owned(),
        number => {
            calls::name(number).map_or_else(|| format!("system call {number}"), ToOwned::to_owned)
        }
    };
    let mut address = || {
        let digits = words.next_back()?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let (pc, sp) = (address(), address());
    Wait {
        call: Some(call),
        place: sp.zip(pc).map(|(sp, pc)| Place { sp, pc }),
    }
}

/// What is said where the system call is not known: the kernel's own function, which it may keep for itself.
fn in_kernel(function: &str) -> String {
    match function.trim() {
        "" | "0" => "the kernel".to_owned(),
        function => format!("the kernel ({function})"),
    }
}

/// The stack from its innermost word on.
fn picture(Place { sp, pc }: Place, bounds: Bounds) -> Option<Picture> {
    let part = bounds.readable(bounds.thread, usize::try_from(sp).ok()?)?;
    let start = part.start as u64;
    let mut bytes = vec![0; part.len()];
    let memory = File::open(MEMORY).ok()?;
    memory.read_exact_at(&mut bytes, start).ok()?;
    let words = bytes.as_chunks::<WORD>().0.iter();
    let words = words.map(|word| u64::from_ne_bytes(*word)).collect();
    Some(Picture::new(Registers::of_waiting(pc, sp), start, words))
}

#[cfg(test)]
#[path = "outside_tests.rs"]
mod tests;
