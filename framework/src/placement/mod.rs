//! Where a request runs, decided from what its route has cost so far.
//!
//! Everything here is pure: no clock, no atomics, no threads. A verdict and a cost go in, the next verdict comes
//! out, and with it a move if the route changes sides.
//!
//! The model is built so that it errs towards the lane. A route of which nothing is known starts there; one slow run on
//! an event loop sends its route back at once; each such relapse makes the way to the loop four times as long, so that a
//! client which alternates cheap and dear requests gets exponentially fewer chances to freeze a loop. What it forgives
//! is the odd run somewhat over the budget, because an interrupt or a cold cache does that to any light route.

mod bits;
mod moves;
mod rules;
mod verdict;

#[cfg(test)]
mod properties;

pub use moves::PinSource;
pub(crate) use moves::{Move, Reason};
pub(crate) use rules::Grade;
pub use rules::{Placement, Policy, Rules};
pub(crate) use verdict::Verdict;
