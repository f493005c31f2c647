//! What is known about cost: the size that a request declares decides where its cost is kept, and a sketch keeps it.
//!
//! Everything here is pure: no clock, no atomics, no threads. Costs come in as arguments, estimates go out.

mod size;
mod sketch;

pub use size::{BodySize, SizeBucket};
pub use sketch::CostSketch;
