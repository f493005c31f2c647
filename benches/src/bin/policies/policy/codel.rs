//! Controlled delay.

use std::collections::VecDeque;

use super::{BOUND, Job, Policy};
use crate::load::MS;

/// Whether the newest job comes first while there is too much to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newest {
    Yes,
    No,
}

/// Controlled delay as folly has it: if the least delay in 100 ms was above 5 ms, what has waited for 10 ms is dropped.
pub(crate) struct CoDel {
    jobs: VecDeque<Job>,
    newest: Newest,
    interval_ends: u64,
    least: u64,
    overloaded: bool,
}

const INTERVAL: u64 = 100 * MS;
const TARGET: u64 = 5 * MS;

impl CoDel {
    pub(crate) fn new(newest: Newest) -> Self {
        Self {
            jobs: VecDeque::new(),
            newest,
            interval_ends: 0,
            least: u64::MAX,
            overloaded: false,
        }
    }

    fn take_note(&mut self, delay: u64, now: u64) {
        if now >= self.interval_ends {
            self.overloaded = self.least != u64::MAX && self.least > TARGET;
            self.interval_ends = now + INTERVAL;
            self.least = delay;
        } else {
            self.least = self.least.min(delay);
        }
    }
}

impl Policy for CoDel {
    fn name(&self) -> String {
        match self.newest {
            Newest::No => "FIFO, CoDel".to_owned(),
            Newest::Yes => "newest first, CoDel".to_owned(),
        }
    }

    fn offer(&mut self, job: Job, _: u64) -> bool {
        let admitted = self.jobs.len() < BOUND;
        if admitted {
            self.jobs.push_back(job);
        }
        admitted
    }

    fn next(&mut self, now: u64, dropped: &mut Vec<Job>) -> Option<Job> {
        loop {
            let newest = self.overloaded && self.newest == Newest::Yes;
            let job = if newest {
                self.jobs.pop_back()
            } else {
                self.jobs.pop_front()
            }?;
            let delay = now - job.arrived;
            self.take_note(delay, now);
            if self.overloaded {
                while let Some(oldest) = self.jobs.front()
                    && now - oldest.arrived > 2 * TARGET
                {
                    dropped.extend(self.jobs.pop_front());
                }
                if delay > 2 * TARGET {
                    dropped.push(job);
                    continue;
                }
            }
            return Some(job);
        }
    }
}
