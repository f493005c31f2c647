//! What the lanes ask of the operating system: that their threads stand below the event loops, how many CPUs there are, and
//! whether there are threads to be had.
//!
//! Three leaves that know nothing else of this crate. The priority of threads is `priority` (the words), `thread` (what is
//! done to a thread) and one file for each kind of platform. The CPUs are `budget`. Whether threads can be had is found out by
//! `rehearsal`, and why not by `shortage`, from `limits`; `space` is about address space.

mod budget;
mod limits;
mod priority;
mod rehearsal;
mod shortage;
mod space;
mod thread;

#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;

pub use budget::CpuBudget;
pub use priority::{Nice, Priority};
pub use rehearsal::{Rehearsed, rehearse_threads};
pub use shortage::NoThreads;

pub use thread::wake_promptly;

#[cfg(feature = "stall-backtrace")]
pub(crate) use space::room_for;
pub(crate) use thread::{
    ThreadRef, apply, cpu_time, has_ended, is_waiting, own_time, restore, run_delay, set_back,
};
