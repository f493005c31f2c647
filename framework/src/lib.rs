#![doc = include_str!("docs.md")]
#![forbid(unsafe_code)]

#[doc(hidden)]
#[path = "offloaded.rs"]
pub mod __private;
pub mod ambient;
pub mod clock;
pub mod cost;
mod error;
mod lane;
pub mod placement;
pub mod profile;
mod quiet;
pub mod routes;
mod sync;

pub use error::Error;
pub use lane::{BuildError, JobHandle, Lane, LaneBuilder, LaneStats, Run, Task};
