//! How long a job may wait, and how much of that admission spends.

use std::time::Duration;

use offload_core::admission::{Backlog, Flow};

use super::{BOUND, Job};
use crate::load::MS;

/// So many times its cost a job may wait, but at least so many milliseconds; at most 30 s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) least: u64,
    pub(crate) factor: u64,
    /// A job enters if the projected delay is no more than one such part of its patience.
    pub(crate) part: u64,
}

impl Patience {
    /// That of the lanes.
    pub(crate) const DEFAULT: Self = Self {
        least: 500,
        factor: 10,
        part: 2,
    };

    fn of(self, job: &Job) -> u64 {
        (self.factor * job.predicted).clamp(self.least * MS, 30_000 * MS)
    }

    pub(super) fn is_over(self, job: &Job, now: u64) -> bool {
        now - job.arrived > self.of(job)
    }

    /// Puts a job on the book if it may enter.
    pub(super) fn enters(self, book: &Backlog, flow: &Flow, job: &Job) -> bool {
        let limit = Duration::from_nanos(self.of(job) / self.part);
        let enters = book.projected_delay(flow) <= limit && book.admit(flow, BOUND);
        if enters {
            book.enter(flow, job.predicted);
        }
        enters
    }
}
