//! The order in which waiting jobs are begun. Pure: no clock, no atomics, no threads.

mod fair;
#[cfg(all(test, not(loom)))]
mod properties;

pub(crate) use fair::{FairQueue, Receipt};
