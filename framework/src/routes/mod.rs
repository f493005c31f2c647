//! The routes that were met, and what each event loop and lane thread learns about them at the same time.
//!
//! [`RouteTable`] finds a [`Route`] by name, once per pattern; from then on a request costs one [`Route::place`] and one
//! [`LoopTally::observe`] (on an event loop) or [`Route::observe`] (on a lane). Invariants:
//!
//! - T1: `place` and `observe` never wait. A verdict is one atomic word that is changed by compare-and-swap; the sketch of
//!   costs is behind a lock that they only ever try, because its holder may be a thread of lower priority that the
//!   kernel has set aside. A sample that finds the lock taken is left out.
//! - T2: a clean run on an event loop of a route that belongs there writes nothing that another event loop reads or
//!   writes, but for every 16th, so that light routes do not pass cache lines around.
//! - T3: nothing is logged while a lock is held.
//! - T4: memory is bounded by the table's capacity, whatever clients send and however many apps come and go: routes of apps
//!   that have ended leave for those of the app that has their number now.
//!
//! All atomic accesses are relaxed: each word stands for itself and publishes nothing else.

mod label;
mod learned;
mod moves;
mod pin;
mod record;
mod report;
mod route;
mod shared;
mod table;
mod tallies;
mod tally;
mod warm;

#[cfg(test)]
mod tests;

pub use record::Observation;
pub use report::{BucketReport, CostReport, MoveReport, RouteMove, RouteReport};
pub use route::Route;
#[cfg(feature = "metrics")]
pub(crate) use shared::Name;
pub use table::RouteTable;
pub use tally::LoopTally;
pub use warm::Restored;

pub use crate::placement::PinSource;
