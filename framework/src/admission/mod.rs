//! Who may enter a queue: decided before queueing, from what was measured, by event loops that must not wait.
//!
//! A [`Flow`] is a route, or whatever else is to have a fair share. A backlog is the book of one lane: what waits, what
//! runs, and how fast it is worked off. All of it is atomics that event loops and lane threads write to; the one lock is
//! tried by lane threads only, after a job, and never waited for. There is no clock in here, times come in as arguments.

mod backlog;
mod balance;
#[cfg(all(test, not(loom)))]
mod bursts;
mod drain;
mod flow;
mod probe;
mod refusal;
mod stretch;
mod surge;
#[cfg(all(test, not(loom)))]
mod tests;
mod trial;

pub(crate) use backlog::{Answer, Ask, Backlog};
pub(crate) use balance::{Balance, Slots, Used, Weights};
pub(crate) use flow::Share;
pub use flow::{Flow, Rank, Weight};
pub(crate) use probe::{Probe, Probes};
pub use refusal::Refusal;
pub(crate) use trial::{Trial, Trials};
