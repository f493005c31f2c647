//! What event loops have counted that are gone, so that sums over all loops never shrink.

use std::time::Duration;

use super::{poll_times::CLASSES, record::Snapshot};

/// The sums of several loops, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    pub(crate) busy: Duration,
    pub(crate) polls: [u64; CLASSES],
    /// Unless the system told it of none.
    pub(crate) cpu: Option<Duration>,
    pub(crate) stalls: u64,
    pub(crate) longest_poll: Duration,
    pub(crate) longest_lag: Duration,
}

impl Totals {
    pub(crate) fn add(&mut self, seen: &Snapshot) {
        self.requests += seen.requests;
        self.busy += seen.busy;
        for (sum, polls) in self.polls.iter_mut().zip(seen.polls) {
            *sum += polls;
        }
        self.cpu = match (self.cpu, seen.cpu) {
            (Some(sum), Some(cpu)) => Some(sum + cpu),
            (sum, cpu) => sum.or(cpu),
        };
        self.stalls += seen.stalls;
        self.longest_poll = self.longest_poll.max(seen.longest_poll);
        self.longest_lag = self.longest_lag.max(seen.longest_lag);
    }
}
