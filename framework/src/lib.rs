#![doc = include_str!("docs.md")]
// One module has system calls that need it; see `os`.
#![deny(unsafe_code)]

#[doc(hidden)]
#[path = "offloaded.rs"]
pub mod __private;
pub mod admission;
pub mod ambient;
pub mod clock;
pub mod cost;
mod error;
pub mod event_loop;
mod lane;
mod lanes;
#[cfg(feature = "metrics")]
pub mod metrics;
mod nanos;
mod os;
pub mod placement;
pub mod profile;
mod queue;
mod quiet;
pub mod routes;
pub mod stall;
mod sync;

pub use error::Error;
pub use lane::{
    Bill, BuildError, CancelToken, JobHandle, LaneState, LaneStats, Park, Run, Stay, Task, Unpark,
    is_cancelled,
};
pub use lanes::{JobKey, Lanes, LanesBuilder, Terms};
pub use os::{CpuBudget, Nice, Priority};
// For adapters.
#[doc(hidden)]
pub use os::{NoThreads, Rehearsed, rehearse_threads, wake_promptly};
