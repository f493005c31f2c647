//! First come, first served.

use std::{collections::VecDeque, sync::Arc};

use offload_core::admission::{Backlog, Flow};

use super::{BOUND, Job, Patience, Policy};
use crate::load::SERVERS;

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
            admission: Some((Backlog::new(0, SERVERS), Flow::unnamed())),
            ..Self::bounded()
        }
    }
}

impl Policy for Fifo {
    fn name(&self) -> String {
        match self.admission {
            None => "FIFO, bound only".to_owned(),
            Some(_) => "FIFO, admission".to_owned(),
        }
    }

    fn offer(&mut self, job: Job, _: u64) -> bool {
        let admitted = match &self.admission {
            None => self.jobs.len() < BOUND,
            Some((book, flow)) => Patience::DEFAULT.enters(book, flow, &job),
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
            if !Patience::DEFAULT.is_over(&job, now) {
                book.begin(flow, job.predicted);
                return Some(job);
            }
            book.leave(flow, job.predicted);
            dropped.push(job);
        }
    }

    fn ended(&mut self, job: &Job, now: u64) {
        if let Some((book, _)) = &self.admission {
            book.end(job.predicted, now);
        }
    }
}
