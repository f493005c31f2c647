//! What is known about cost: the size that a request declares decides where its cost is kept, a sketch keeps it, and a memo
//! keeps what one particular request cost.
//!
//! There is no clock in here and no thread. Costs come in as arguments, estimates go out.

mod memo;
mod size;
mod sketch;

pub(crate) use memo::CostMemo;
pub use size::{BodySize, SizeBucket};
pub(crate) use sketch::CostSketch;
