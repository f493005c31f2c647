//! The policies: who enters, who is next, and who is turned away after a wait.

mod codel;
mod fair;
mod fifo;
mod patience;

pub(crate) use self::{
    codel::{CoDel, Newest},
    fair::{Charges, Fair},
    fifo::Fifo,
    patience::Patience,
};

/// No queue holds more.
const BOUND: usize = 1024;

/// A job that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// A number of its own.
    pub(crate) id: usize,
    pub(crate) arrived: u64,
    /// What it costs, in nanoseconds.
    pub(crate) cost: u64,
    /// What it is thought to cost.
    pub(crate) predicted: u64,
    /// The flow it is of.
    pub(crate) flow: usize,
}

/// A way to keep a queue.
pub(crate) trait Policy {
    fn name(&self) -> String;
    /// Takes a job in, or refuses it.
    fn offer(&mut self, job: Job, now: u64) -> bool;
    /// The next job to work on, and those that are turned away on the way to it.
    fn next(&mut self, now: u64, dropped: &mut Vec<Job>) -> Option<Job>;
    /// A job has ended.
    fn ended(&mut self, _job: &Job, _now: u64) {}
}
