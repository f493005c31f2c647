//! What an event loop has done so far, as figures that add up.

use std::time::Duration;

use super::{poll_times::CLASSES, turn::Label};

/// What an event loop has done so far.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Requests that ran on it.
    pub requests: u64,
    /// The time it spent in polls of requests.
    pub busy: Duration,
    /// The longest poll of a request.
    pub longest_poll: Duration,
    /// The route of that poll.
    pub longest_poll_label: Label,
    /// The number of polls by duration: one count for each of [`BOUNDS`](super::BOUNDS), and one for longer ones.
    pub polls: [u64; CLASSES],
    /// The CPU time that its thread has used since it became an event loop. `None` if the system does not tell or the thread has
    /// ended.
    pub cpu: Option<Duration>,
    /// How long the loop took to run its [`Pulse`](super::Pulse) when the watch asked last, or has taken so far.
    pub lag: Duration,
    /// The longest lag there ever was.
    pub longest_lag: Duration,
    /// How many stalls the [watch](crate::stall) found.
    pub stalls: u64,
    /// If it is stalled now: for how long, and by which route.
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
