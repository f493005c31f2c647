//! What the caller knows of a job beforehand.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use crate::admission::Flow;

/// Under what the cost of like jobs is remembered; see [`Lanes::key`](super::Lanes::key).
///
/// The default remembers nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct JobKey(Option<NonZeroU64>);

impl JobKey {
    pub(super) fn of(hash: u64) -> Self {
        Self(Some(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN)))
    }

    pub(super) fn get(self) -> Option<u64> {
        self.0.map(NonZeroU64::get)
    }

    /// Zero if nothing is remembered.
    pub(super) fn word(self) -> u64 {
        self.get().unwrap_or(0)
    }
}

/// What the caller knows of a job beforehand: whose it is, what it may cost, and how long it may wait.
///
/// # Examples
///
/// ```
/// use offload_core::{Lanes, Terms};
/// use std::time::Duration;
///
/// let lanes = Lanes::builder().threads(1).build()?;
/// let report = lanes.key(("GET /report", "year=2026"));
/// let terms = Terms::new()
///     .key(report)
///     .cost(Duration::from_millis(300))
///     .patience(Duration::from_secs(2));
/// lanes.submit(&terms, || println!("a report"))?.detach();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Terms {
    pub(super) flow: Option<Arc<Flow>>,
    pub(super) cost: Option<Duration>,
    pub(super) patience: Option<Duration>,
    pub(super) key: JobKey,
    pub(super) probe: Option<Arc<Flow>>,
}

impl Terms {
    /// Terms of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Among whose jobs it is counted for a fair share. Default: a flow that all jobs without one have in common.
    pub fn flow(mut self, flow: &Arc<Flow>) -> Self {
        self.flow = Some(Arc::clone(flow));
        self
    }

    /// The on-CPU time that it will probably take. What is remembered under its [`key`](Self::key) is believed first.
    pub fn cost(mut self, cost: Duration) -> Self {
        self.cost = Some(cost);
        self
    }

    /// How long it may wait for its beginning. It is refused if it would probably wait for more than half of that, because
    /// projections err. Default: what [`LanesBuilder::patience`](super::LanesBuilder::patience)
    /// gives a job of its cost.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// It is open whether it is long, and worth while to find out soon. So three of such jobs of a flow have the longest patience, and
    /// while there are no more than eight in all they come as jobs of that flow instead, which may have a higher rank. The others wait like
    /// any.
    ///
    /// If its cost is not known at all, it is short until one of its [`flow`](Self::flow) turns out to be long.
    pub fn probe(mut self, flow: &Arc<Flow>) -> Self {
        self.probe = Some(Arc::clone(flow));
        self
    }

    /// Under what its cost is remembered.
    pub fn key(mut self, key: JobKey) -> Self {
        self.key = key;
        self
    }
}
