//! How a picture of a stack gets from the thread to the watcher, though the thread may be anywhere and must not wait.
//!
//! All of it is atomics in a static, so that nothing is a data race whoever comes late. The thread's side runs inside of a
//! signal handler: it takes no lock, allocates nothing and never waits.
//!
//! 1. Only a watcher moves the state to and from `IDLE`; one at a time, by a lock that no watched thread takes.
//! 2. `REQUESTED` names a thread. Only that thread moves it on, to `COPYING`; the watcher may take it back until then.
//! 3. In `COPYING` everything is the thread's, for as long as it likes. A watcher that has lost patience leaves it so and the
//!    next finds it `Busy`, until the thread has finished.
//! 4. What a watcher writes before `REQUESTED`, and the thread before `DONE`, the other sees (release, acquire).
//! 5. A signal that comes late finds no request, or a newer one to the same thread, which it may answer as well.

use std::{
    fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::stack::{Bounds, MOST, WORD};
use crate::Unavailable;

const IDLE: u64 = 0;
const REQUESTED: u64 = 1;
const COPYING: u64 = 2;
const DONE: u64 = 3;
const REFUSED: u64 = 4;

/// The state is in the lower half, the thread of a request in the upper.
const THREAD_SHIFT: u32 = 32;

/// How often a watcher looks. The thread answers at the kernel's next tick.
const PAUSE: Duration = Duration::from_micros(200);

/// What of a thread's registers is needed to find its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) pc: u64,
    pub(super) sp: u64,
    pub(super) fp: u64,
    /// Where the innermost function returns to, on machines that keep it in a register.
    pub(super) lr: u64,
}

impl Registers {
    /// The two that are known of a thread that nobody has asked.
    pub(super) fn of_waiting(pc: u64, sp: u64) -> Self {
        let (fp, lr) = (UNKNOWN, 0);
        Self { pc, sp, fp, lr }
    }

    pub(super) fn are_all_known(self) -> bool {
        self.fp != UNKNOWN
    }
}

/// No frame lies there, nor is this where a stack ends.
const UNKNOWN: u64 = 1;

/// A thread's registers and what lay above its stack pointer.
pub(super) struct Picture {
    pub(super) registers: Registers,
    start: u64,
    words: Vec<u64>,
}

impl Picture {
    pub(super) fn new(registers: Registers, start: u64, words: Vec<u64>) -> Self {
        Self {
            registers,
            start,
            words,
        }
    }

    /// The word at an address of the thread's memory, if it is in the picture.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.start)?;
        let word = WORD as u64;
        if !offset.is_multiple_of(word) {
            return None;
        }
        let at = usize::try_from(offset / word).ok()?;
        self.words.get(at).copied()
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("registers", &self.registers)
            .field("words", &self.words.len())
            .finish_non_exhaustive()
    }
}

/// The place where pictures are handed over.
pub(super) struct Exchange {
    state: AtomicU64,
    thread: AtomicUsize,
    low: AtomicUsize,
    high: AtomicUsize,
    registers: [AtomicU64; 4],
    start: AtomicUsize,
    count: AtomicUsize,
    words: [AtomicU64; MOST / WORD],
}

impl Exchange {
    pub(super) const fn new() -> Self {
        Self {
            state: AtomicU64::new(IDLE),
            thread: AtomicUsize::new(0),
            low: AtomicUsize::new(0),
            high: AtomicUsize::new(0),
            registers: [const { AtomicU64::new(0) }; 4],
            start: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            words: [const { AtomicU64::new(0) }; MOST / WORD],
        }
    }

    /// Asks the thread `id`, whose stack lies there, for a picture, and waits for it no longer than about twice `patience`.
    ///
    /// `ring` is what makes the thread look. Not to be called by two at once (invariant 1).
    pub(super) fn request(
        &self,
        id: i32,
        bounds: Bounds,
        patience: Duration,
        ring: impl FnOnce() -> Result<(), Unavailable>,
    ) -> Result<Picture, Unavailable> {
        if kind(self.state.load(Ordering::Acquire)) == COPYING {
            return Err(Unavailable::Busy); // 3
        }
        let Bounds { thread, low, high } = bounds;
        self.thread.store(thread, Ordering::Relaxed);
        self.low.store(low, Ordering::Relaxed);
        self.high.store(high, Ordering::Relaxed);
        let request = of(REQUESTED, id);
        self.state.store(request, Ordering::Release); // 4

        if let Err(unheard) = ring()
            && self.withdraw(request)
        {
            return Err(unheard);
        }
        if !self.answered_within(patience) {
            if self.withdraw(request) {
                return Err(Unavailable::NoAnswer);
            }
            // It has begun, which takes microseconds unless the kernel sets it aside just now.
            if !self.answered_within(patience) {
                return Err(Unavailable::NoAnswer);
            }
        }
        let answer = kind(self.state.load(Ordering::Acquire));
        let outcome = if answer == DONE {
            Ok(self.picture())
        } else {
            Err(Unavailable::OtherStack)
        };
        self.state.store(IDLE, Ordering::Relaxed);
        outcome
    }

    /// Takes a request back. False if the thread has begun to answer it. // 2
    fn withdraw(&self, request: u64) -> bool {
        self.state
            .compare_exchange(request, IDLE, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    fn answered_within(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        loop {
            if matches!(kind(self.state.load(Ordering::Acquire)), DONE | REFUSED) {
                return true;
            }
            if begun.elapsed() >= patience {
                return false;
            }
            thread::sleep(PAUSE);
        }
    }

    fn picture(&self) -> Picture {
        let [pc, sp, fp, lr] = self.registers.each_ref().map(load);
        let count = self.count.load(Ordering::Relaxed);
        Picture {
            registers: Registers { pc, sp, fp, lr },
            start: self.start.load(Ordering::Relaxed) as u64,
            words: self.words.iter().take(count).map(load).collect(),
        }
    }

    /// Whether anybody asks for anything: the one thing to find out on a signal that somebody else sent.
    pub(super) fn wanted(&self) -> bool {
        kind(self.state.load(Ordering::Relaxed)) == REQUESTED
    }

    /// The request to the thread `id`, for that thread to answer; to be asked on it.
    pub(super) fn claim(&self, id: i32) -> Option<Claim<'_>> {
        self.state
            .compare_exchange(
                of(REQUESTED, id),
                of(COPYING, id),
                Ordering::Acquire, // 4
                Ordering::Relaxed,
            )
            .is_ok()
            .then_some(Claim(self))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("state", &kind(load(&self.state)))
            .finish_non_exhaustive()
    }
}

/// A request while its thread answers it. Has to be finished or refused; there is no other way out of a signal handler.
#[derive(Debug)]
#[must_use]
pub(super) struct Claim<'a>(&'a Exchange);

impl Claim<'_> {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            thread: self.0.thread.load(Ordering::Relaxed),
            low: self.0.low.load(Ordering::Relaxed),
            high: self.0.high.load(Ordering::Relaxed),
        }
    }

    /// Where the words of the stack go.
    pub(super) fn slots(&self) -> &[AtomicU64] {
        &self.0.words
    }

    /// Hands the picture over, whose first `count` words have been put into the slots.
    pub(super) fn finish(self, registers: Registers, start: usize, count: usize) {
        let Registers { pc, sp, fp, lr } = registers;
        for (slot, value) in self.0.registers.iter().zip([pc, sp, fp, lr]) {
            slot.store(value, Ordering::Relaxed);
        }
        self.0.start.store(start, Ordering::Relaxed);
        self.0.count.store(count, Ordering::Relaxed);
        self.0.state.store(DONE, Ordering::Release); // 4
    }

    pub(super) fn refuse(self) {
        self.0.state.store(REFUSED, Ordering::Release);
    }
}

fn of(kind: u64, id: i32) -> u64 {
    u64::from(id.cast_unsigned()) << THREAD_SHIFT | kind
}

fn kind(state: u64) -> u64 {
    state & ((1 << THREAD_SHIFT) - 1)
}

fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
