//! What the lanes ask of the operating system: that their threads stand below the event loops, and how many CPUs there are.
//!
//! Two leaves that know nothing else of this crate. The priority of threads is `priority` (the words), `thread` (what is
//! done to a thread), `refused` (what is said when it can't be done) and one file for each kind of platform. The budget is
//! `budget` (the rules), `allowed`, `quota` and `groups` (pure readings of what the kernel says).

#[cfg(any(target_os = "linux", test))]
mod allowed;
mod budget;
mod cores;
#[cfg(any(target_os = "linux", test))]
mod groups;
mod priority;
#[cfg(any(target_os = "linux", test))]
mod quota;
mod refused;
mod thread;

#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;

pub use budget::CpuBudget;
pub use priority::{Nice, Priority};

pub use thread::wake_promptly;

pub(crate) use cores::Cores;
#[cfg(all(
    feature = "stall-backtrace",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) use system::{cpu_clock_of, cpu_time_of, is_waiting_of};
pub(crate) use thread::{ThreadRef, apply, cpu_time, has_ended, is_waiting, restore, set_back};
