//! What an event loop has done so far, as figures that add up.

use std::time::Duration;

use super::{poll_times::CLASSES, turn::Label};

/// What an event loop has done so far.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Requests that ran on it.
    pub requests: u64,
    /// The time that polls of requests kept it.
    pub busy: Duration,
    /// The longest that one poll kept it.
    pub longest_poll: Duration,
    /// For whom that poll was.
    pub longest_poll_label: Label,
    /// How many polls took how long, by [`BOUNDS`](super::BOUNDS).
    pub polls: [u64; CLASSES],
    /// The CPU time of its thread since it is an event loop, if the system tells and the thread is still there.
    pub cpu: Option<Duration>,
    /// How long it took to come round when it was asked last; so far, if it has not yet or is stalled.
    pub lag: Duration,
    /// The longest that ever was.
    pub longest_lag: Duration,
    /// How many stalls the [watch](crate::stall) found.
    pub stalls: u64,
    /// For how long it is stalled now, and for whom.
    pub stalled: Option<(Duration, Label)>,
}

impl Snapshot {
    /// Adds what the next loop of the same number has counted, and takes over what that is at now.
    pub(super) fn add(&mut self, next: Self) {
        self.requests += next.requests;
        self.busy += next.busy;
        if next.longest_poll > self.longest_poll {
            self.longest_poll = next.longest_poll;
            self.longest_poll_label = next.longest_poll_label;
        }
        for (sum, polls) in self.polls.iter_mut().zip(next.polls) {
            *sum += polls;
        }
        self.cpu = match (self.cpu, next.cpu) {
            (Some(sum), Some(cpu)) => Some(sum + cpu),
            (sum, cpu) => sum.or(cpu),
        };
        self.stalls += next.stalls;
        self.longest_lag = self.longest_lag.max(next.longest_lag);
        (self.lag, self.stalled) = (next.lag, next.stalled);
    }
}
