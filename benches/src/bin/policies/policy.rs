//! The policies: who enters, who is next, and who is turned away after a wait.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use offload_core::{
    admission::{Backlog, Flow},
    queue::FairQueue,
};

use crate::simulation::MS;

/// No queue holds more.
const BOUND: usize = 1024;

/// A job that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) arrived: u64,
    /// In nanoseconds; predictions are right in here.
    pub(crate) cost: u64,
    /// Whether it is of the small flow.
    pub(crate) small: bool,
}

/// A way to keep a queue.
pub(crate) trait Policy {
    fn name(&self) -> &'static str;
    /// Takes a job in, or refuses it.
    fn offer(&mut self, job: Job, now: u64) -> bool;
    /// The next job to work on, and those that are turned away on the way to it.
    fn next(&mut self, now: u64, dropped: &mut Vec<Job>) -> Option<Job>;
    /// A job has ended.
    fn ended(&mut self, _job: &Job, _now: u64) {}
}

/// What the lanes let a job wait: 10 times its cost, but at least 500 ms and at most 30 s.
fn patience(cost: u64) -> u64 {
    (10 * cost).clamp(500 * MS, 30_000 * MS)
}

/// First come, first served.
pub(crate) struct Fifo {
    jobs: VecDeque<Job>,
    admission: Option<(Backlog, Arc<Flow>)>,
}

impl Fifo {
    /// Until the queue is full.
    pub(crate) fn bounded() -> Self {
        Self {
            jobs: VecDeque::new(),
            admission: None,
        }
    }

    /// Only if the projected delay is no more than half of the job's patience.
    pub(crate) fn with_admission() -> Self {
        Self {
            admission: Some((Backlog::new(0, 2), Flow::unnamed())),
            ..Self::bounded()
        }
    }
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        match self.admission {
            None => "FIFO, bound only",
            Some(_) => "FIFO, admission",
        }
    }

    fn offer(&mut self, job: Job, _: u64) -> bool {
        let admitted = match &self.admission {
            None => self.jobs.len() < BOUND,
            Some((book, flow)) => enters(book, flow, &job),
        };
        if admitted {
            self.jobs.push_back(job);
        }
        admitted
    }

    fn next(&mut self, now: u64, dropped: &mut Vec<Job>) -> Option<Job> {
        loop {
            let job = self.jobs.pop_front()?;
            let Some((book, flow)) = &self.admission else {
                return Some(job);
            };
            if now - job.arrived <= patience(job.cost) {
                book.begin(flow, job.cost);
                return Some(job);
            }
            book.leave(flow, job.cost);
            dropped.push(job);
        }
    }

    fn ended(&mut self, job: &Job, now: u64) {
        if let Some((book, _)) = &self.admission {
            book.end(job.cost, now);
        }
    }
}

fn enters(book: &Backlog, flow: &Flow, job: &Job) -> bool {
    let limit = Duration::from_nanos(patience(job.cost) / 2);
    let enters = book.projected_delay(flow) <= limit && book.admit(flow, BOUND);
    if enters {
        book.enter(flow, job.cost);
    }
    enters
}

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
    fn name(&self) -> &'static str {
        match self.newest {
            Newest::No => "FIFO, CoDel",
            Newest::Yes => "newest first, CoDel",
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

/// What the lanes do: a fair queue, and admission by the projected delay.
pub(crate) struct Fair {
    jobs: FairQueue<Job>,
    book: Backlog,
    main: Arc<Flow>,
    small: Arc<Flow>,
}

impl Default for Fair {
    fn default() -> Self {
        Self {
            jobs: FairQueue::new(),
            book: Backlog::new(0, 2),
            main: Flow::unnamed(),
            small: Flow::unnamed(),
        }
    }
}

impl Fair {
    fn flow(&self, job: &Job) -> &Arc<Flow> {
        if job.small { &self.small } else { &self.main }
    }
}

impl Policy for Fair {
    fn name(&self) -> &'static str {
        "fair queue, admission"
    }

    fn offer(&mut self, job: Job, _: u64) -> bool {
        let flow = Arc::clone(self.flow(&job));
        let enters = enters(&self.book, &flow, &job);
        if enters {
            self.jobs.push(flow.share(), job.cost, job);
        }
        enters
    }

    fn next(&mut self, now: u64, dropped: &mut Vec<Job>) -> Option<Job> {
        loop {
            let job = self.jobs.pop()?;
            let flow = self.flow(&job);
            if now - job.arrived <= patience(job.cost) {
                self.book.begin(flow, job.cost);
                return Some(job);
            }
            self.book.leave(flow, job.cost);
            dropped.push(job);
        }
    }

    fn ended(&mut self, job: &Job, now: u64) {
        self.book.end(job.cost, now);
    }
}
