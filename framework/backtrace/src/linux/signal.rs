//! The signal that makes a thread draw its own stack, and what little else of the system that needs; with `timer` all the `unsafe` of it.
//!
//! `SIGURG`, because a process that does not handle it is not disturbed by it: not even if the handler were taken away
//! just before. Go interrupts its threads by it for the same reason.

use std::{ffi::c_void, io, mem::MaybeUninit, ptr, sync::atomic::Ordering};

use nix::{
    libc::{self, c_int, sighandler_t, siginfo_t, ucontext_t},
    unistd::gettid,
};

use super::{
    exchange::{Exchange, Registers},
    stack::{Bounds, WORD},
};
use crate::Unavailable;

/// The only one, because a signal handler is told nothing but the signal.
pub(super) static EXCHANGE: Exchange = Exchange::new();

pub(super) const SIGNAL: c_int = libc::SIGURG;

/// Where the calling thread's stack lies.
#[expect(unsafe_code, reason = "no safe binding tells where a stack lies")]
pub(super) fn bounds() -> Option<Bounds> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut lowest = ptr::null_mut::<c_void>();
    let mut size = 0;
    // SAFETY: `pthread_self` is the calling thread, so that it lives; `attributes` is written here, read only if that
    // succeeded, and destroyed once; both results are out pointers to locals of the right types.
    let told = unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let told = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        told
    };
    let low = lowest.addr();
    let high = low.checked_add(size)?;
    (told == 0 && low < high).then(|| Bounds {
        thread: descriptor(),
        low,
        high,
    })
}

/// The address of the calling thread's descriptor. Safe to ask for in a signal handler, says POSIX.
#[expect(unsafe_code, reason = "no safe binding has this call")]
fn descriptor() -> usize {
    // SAFETY: it has no preconditions, and the result is used as a number alone.
    let thread = unsafe { libc::pthread_self() };
    thread as usize
}

/// Sees that the handler is in place, unless the program has one of its own.
///
/// To be called before each signal: a library may have put its handler there since, and is not to be bothered with signals
/// that it did not expect.
pub(super) fn listen() -> Result<(), Unavailable> {
    let now = handler(None)?;
    if now.sa_sigaction == ours() {
        return Ok(());
    }
    if !is_free(&now) {
        return Err(Unavailable::SignalTaken);
    }
    let before = handler(Some(&action()))?;
    if before.sa_sigaction != ours() && !is_free(&before) {
        // Somebody came in between.
        handler(Some(&before))?;
        return Err(Unavailable::SignalTaken);
    }
    Ok(())
}

fn is_free(action: &libc::sigaction) -> bool {
    [libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction)
}

fn ours() -> sighandler_t {
    on_signal as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as sighandler_t
}

/// How our handler is called: on the stack for signals, if the thread has one; with system calls that can go on going on
/// afterwards; and with no other signal in between.
#[expect(
    unsafe_code,
    reason = "the C structure has no constructor, and its set is made in place"
)]
fn action() -> libc::sigaction {
    // SAFETY: integers, an integer that stands for no function, and an optional function, all of which may be zero.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = ours();
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: writes a signal set to where one is, which nobody else refers to.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    action
}

/// What is done on the signal; and from now on, `new`, if there is one.
#[expect(unsafe_code, reason = "to handle a signal is unsafe")]
fn handler(new: Option<&libc::sigaction>) -> Result<libc::sigaction, Unavailable> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    let mut old = MaybeUninit::<libc::sigaction>::uninit();
    // What `new` names is what the system told before, or `action()`: its function has the type that goes with its flags and
    // does in a handler only what may be done there.
    // SAFETY: `new` is null or such an action; `old` has room for one, and is initialised if the call succeeds.
    let old = unsafe {
        if libc::sigaction(SIGNAL, new, old.as_mut_ptr()) != 0 {
            return Err(Unavailable::System(io::Error::last_os_error()));
        }
        old.assume_init()
    };
    Ok(old)
}

/// The handler: draws the thread's stack if it was asked to.
///
/// It may run between any two instructions of any code of the program. So it allocates nothing, takes no lock, logs
/// nothing, has nothing that could panic, uses no thread-local variable, and touches `errno` not at all: neither of its two
/// calls can fail.
#[expect(unsafe_code, reason = "reads what the kernel passes and the stack")]
extern "C" fn on_signal(_signal: c_int, _info: *mut siginfo_t, context: *mut c_void) {
    // A signal that somebody else sent ends here.
    if !EXCHANGE.wanted() {
        return;
    }
    // SAFETY: the kernel passes a valid context to a handler with `SA_SIGINFO`, and so does whoever calls it in a chain, or
    // null. It stays until the handler returns.
    let Some(context) = (unsafe { context.cast::<ucontext_t>().as_ref() }) else {
        return;
    };
    let Some(claim) = EXCHANGE.claim(gettid().as_raw()) else {
        return;
    };
    let registers = registers(context);
    let Some(part) = claim.bounds().readable(descriptor(), registers.sp as usize) else {
        claim.refuse();
        return;
    };
    let start = part.start;
    let mut count = 0;
    for (slot, address) in claim.slots().iter().zip(part.step_by(WORD)) {
        let word: u64;
        // What lies there may have been left uninitialised, or be shared with other threads that write it at this moment
        // (threads of a scope, say). An ordinary read of it would not be defined; the machine's load, of which the compiler
        // knows nothing, gives some bits. It writes one register and nothing else. The address is aligned and from this thread's
        // stack pointer up to below the end of its stack (`Bounds::readable`).
        // SAFETY: one load of what is mapped and readable for as long as the thread lives, which runs this.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            std::arch::asm!(
                "mov {word}, qword ptr [{address}]",
                address = in(reg) address,
                word = lateout(reg) word,
                options(nostack, preserves_flags, readonly)
            );
            #[cfg(target_arch = "aarch64")]
            std::arch::asm!(
                "ldr {word}, [{address}]",
                address = in(reg) address,
                word = lateout(reg) word,
                options(nostack, preserves_flags, readonly)
            );
        }
        slot.store(word, Ordering::Relaxed);
        count += 1;
    }
    claim.finish(registers, start, count);
}

#[cfg(target_arch = "x86_64")]
fn registers(context: &ucontext_t) -> Registers {
    let [rbp, rsp, rip] = [libc::REG_RBP, libc::REG_RSP, libc::REG_RIP]
        .map(|register| context.uc_mcontext.gregs[register as usize].cast_unsigned());
    Registers {
        pc: rip,
        sp: rsp,
        fp: rbp,
        lr: 0,
    }
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &ucontext_t) -> Registers {
    let machine = &context.uc_mcontext;
    Registers {
        pc: machine.pc,
        sp: machine.sp,
        fp: machine.regs[29],
        lr: machine.regs[30],
    }
}

#[cfg(test)]
#[path = "signal_tests.rs"]
mod tests;
