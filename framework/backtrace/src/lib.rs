//! Finds out where another thread of this process is, without harm to what it does. Linux on x86-64 and 64-bit ARM.
//!
//! A thread says once where its stack lies ([`Stack::current`]). From then on any other may ask where it is
//! ([`Stack::backtrace`]), as often as it likes: which functions it is in, and what it waits in, if it waits. Elsewhere all of this
//! exists as well, but no stack is ever known.
//!
//! # Examples
//!
//! ```
//! use std::{sync::mpsc, thread};
//!
//! use offload_backtrace::Stack;
//!
//! let (tell, told) = mpsc::channel();
//! let (keep, kept) = mpsc::channel::<()>();
//! let waits = thread::spawn(move || {
//!     tell.send(Stack::current()).expect("somebody listens");
//!     kept.recv()
//! });
//! if let Some(stack) = told.recv()? {
//!     match stack.backtrace() {
//!         Ok(backtrace) => println!("{backtrace}"), // waits in futex, std::…::recv, …
//!         Err(unavailable) => println!("{unavailable}"),
//!     }
//! }
//! drop(keep);
//! # waits.join().expect("it only waits").expect_err("nobody sent anything");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! A thread that **waits** is left alone. The kernel says in `/proc` that it waits, in which system call, and from which place in the
//! program; its stack is read from outside, through the process's memory file, and believed if the thread used no CPU time meanwhile
//! (`outside`). So no wait ends early (`EINTR`), as it would by a signal, and nothing is held up.
//!
//! A thread that **runs** may be anywhere: in the allocator with its lock held, in the dynamic loader, halfway through a panic. Walking a
//! stack there takes those same locks, so it is what must not be done on that thread. All that it does is to copy: a signal
//! makes it write its registers and up to 64 KiB of its stack into a static (`signal`, `exchange`, `stack`). The signal
//! comes from a timer on the thread's own CPU clock, which stands still while the thread waits (`timer`). Whether it runs is looked
//! up before, but not relied on: a thread that begins to wait just then is rung after its wait, or not at all.
//!
//! In either case frames are found and named on the watcher's thread, from the copy (`reader`, `record`, `image`, `maps`), with
//! the lines that the program's own file holds (`names`, `paths`).
//!
//! What it costs, measured on a virtual x86-64 machine: a thread that runs is held up for 1.4 µs with a shallow stack and for 4 µs
//! with 64 KiB of it (8 and 90 µs without optimisation). The watcher waits for the kernel's next tick (at most 4 ms with 250 a
//! second) and takes 0.1 to 0.5 ms to find and name the frames; the first time, or in [`prepare`], 0.4 to 0.6 s for a program of 35 to
//! 50 MB without optimisation, and some 20 MB of memory.
//!
//! What it cannot avoid: where a kernel signals from its tick rather than from the way back into the program (Linux before 5.9,
//! and machines other than those for which it was changed since), a thread that the tick meets inside of a system call, less than a
//! microsecond before it sleeps there, finds its wait ended by a signal.
//!
//! What it does not see: functions that are inlined have names without a path if the program was built with line tables
//! only, and none in a program without; what lies deeper than 64 KiB; and all but the place itself of code that has neither
//! unwind tables nor frame pointers. Of a thread that waits only two registers are known: where a function is unwound by
//! its frame pointer that has to be found (`record`), and if it can't be, as on 64-bit ARM, the backtrace ends there. Where the process
//! may not read that much of `/proc`, as after it has changed its user, it is only said that a thread waits, and perhaps in which function
//! of the kernel.

mod frame;
mod unavailable;

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "elsewhere.rs"]
mod system;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "linux/mod.rs"]
mod system;

pub use frame::{Backtrace, Frame};
pub use system::{AVAILABLE, Stack, prepare, room_to_prepare};
pub use unavailable::Unavailable;
