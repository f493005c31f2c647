//! What the lanes do: a fair queue, and admission by the projected delay.

use std::{collections::HashMap, sync::Arc};

use offload_core::{
    admission::{Backlog, Flow},
    queue::{FairQueue, Receipt},
};

use super::{Job, Patience, Policy};
use crate::load::SERVERS;

/// By what flows get equal shares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charges {
    /// By what was predicted.
    Predicted,
    /// By what jobs really cost, and nothing for those that never ran.
    Actual,
}

/// What the lanes do: a fair queue, and admission by the projected delay.
pub(crate) struct Fair {
    jobs: FairQueue<Job>,
    book: Backlog,
    flows: Vec<Arc<Flow>>,
    patience: Patience,
    charges: Charges,
    receipts: HashMap<usize, Receipt>,
}

impl Fair {
    pub(crate) fn new(patience: Patience, charges: Charges) -> Self {
        Self {
            jobs: FairQueue::new(),
            book: Backlog::new(0, SERVERS),
            flows: Vec::new(),
            patience,
            charges,
            receipts: HashMap::new(),
        }
    }

    fn charge(&mut self, receipt: Receipt, cost: u64) {
        if self.charges == Charges::Actual {
            self.jobs.charge(receipt, cost);
        }
    }
}

impl Policy for Fair {
    fn name(&self) -> String {
        match self.charges {
            Charges::Predicted => "fair queue, admission".to_owned(),
            Charges::Actual => "the same, charged".to_owned(),
        }
    }

    fn offer(&mut self, job: Job, _: u64) -> bool {
        let known = self.flows.len().max(job.flow + 1);
        self.flows.resize_with(known, Flow::unnamed);
        let flow = &self.flows[job.flow];
        let enters = self.patience.enters(&self.book, flow, &job);
        if enters {
            self.jobs.push(flow.share(), job.predicted, job);
        }
        enters
    }

    fn next(&mut self, now: u64, dropped: &mut Vec<Job>) -> Option<Job> {
        loop {
            let (job, receipt) = self.jobs.pop_with_receipt()?;
            let flow = &self.flows[job.flow];
            if !self.patience.is_over(&job, now) {
                self.book.begin(flow, job.predicted);
                self.receipts.insert(job.id, receipt);
                return Some(job);
            }
            self.book.leave(flow, job.predicted);
            self.charge(receipt, 0);
            dropped.push(job);
        }
    }

    fn ended(&mut self, job: &Job, now: u64) {
        self.book.end(job.predicted, now);
        if let Some(receipt) = self.receipts.remove(&job.id) {
            self.charge(receipt, job.cost);
        }
    }
}
