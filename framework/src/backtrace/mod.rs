//! Where a stuck thread is: its stack, taken by the thread itself and read by whoever watches it.
//!
//! The thread may be anywhere: in the allocator with its lock held, in the dynamic loader, halfway through a panic. Walking a
//! stack there takes those same locks, so it is what must not be done on that thread. All that it does is to copy: a signal
//! makes it write its registers and up to 64 KiB of its stack into a static (`signal`, `exchange`, `stack`). Frames are
//! found and named on the watcher's thread, from the copy (`reader`, `image`, `maps`), with the lines that the program's
//! own file holds (`names`, `paths`).
//!
//! What it costs, measured on a virtual x86-64 machine: the thread is held up for 1.4 µs with a shallow stack and for 4 µs
//! with 64 KiB of it (8 and 90 µs without optimisation). The watcher takes 0.1 to 0.5 ms to find and name the frames; the
//! first time, or in `prepare`, 0.4 to 0.6 s for a program of 35 to 50 MB without optimisation, and some 20 MB of memory.
//!
//! What it cannot avoid: a signal ends some system calls early, with `EINTR`, though it asks the kernel to go on with them:
//! `epoll_wait`, `poll` and `select`, sleeping, and reading from a socket with a time limit. Runtimes and the standard
//! library begin again, and so must other code in any process that gets signals.
//!
//! What it does not see: functions that are inlined have names without a path if the program was built with line tables
//! only, and none in a program without; what lies deeper than 64 KiB; and all but the place itself of code that has neither
//! unwind tables nor frame pointers.

mod frame;

#[cfg(not(all(
    feature = "stall-backtrace",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "elsewhere.rs"]
mod system;
#[cfg(all(
    feature = "stall-backtrace",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "linux/mod.rs"]
mod system;

pub(crate) use frame::Backtrace;
pub(crate) use system::{AVAILABLE, StackOf, of_thread, prepare};
