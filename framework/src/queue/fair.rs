//! Start-time fair queueing: flows share what there is by cost, whatever the others send.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
};

use crate::admission::{Rank, Share};

/// Virtual time runs in nanoseconds for a flow of the default weight.
type Virtual = u128;

/// Jobs of several flows in the order in which they are to be begun.
///
/// Higher ranks come first in any case. Within a rank, flows get shares of the *cost* in proportion to their weights, and a
/// flow's own jobs keep their order. A flow that comes back after a rest goes on as if it had just used up its share:
/// it gets no credit for the past, and waits for none of what the others have queued but the jobs that are next.
///
/// The algorithm is start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996), with predicted
/// costs in place of packet lengths. Putting in and taking out cost the logarithm of the number of flows that wait.
///
/// # Examples
///
/// ```
/// use offload_core::{admission::{Flow, Rank, Weight}, queue::FairQueue};
///
/// let flood = Flow::new(Weight::default(), Rank::Normal);
/// let small = Flow::new(Weight::default(), Rank::Normal);
/// let mut queue = FairQueue::new();
/// for n in 0..100 {
///     queue.push(flood.share(), 5_000_000, format!("flood {n}"));
/// }
/// queue.push(small.share(), 5_000_000, "small".to_owned());
/// assert_eq!(queue.pop().as_deref(), Some("flood 0"));
/// assert_eq!(queue.pop().as_deref(), Some("small"));
/// ```
pub struct FairQueue<T> {
    levels: [Level<T>; Rank::ALL.len()],
    length: usize,
    pushed: u64,
}

/// The flows of one rank.
struct Level<T> {
    lines: HashMap<u32, Line<T>>,
    /// The first job of each line that has one: start tag, order of arrival, flow.
    next: BTreeSet<(Virtual, u64, u32)>,
    /// Lines that are empty but still ahead of the virtual time: finish tag, flow.
    resting: BTreeSet<(Virtual, u32)>,
    /// The start tag of the job that was taken last.
    now: Virtual,
}

/// The jobs of one flow.
struct Line<T> {
    /// The finish tag of its last job.
    finish: Virtual,
    jobs: VecDeque<(Virtual, u64, T)>,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self {
            levels: std::array::from_fn(|_| Level::new()),
            length: 0,
            pushed: 0,
        }
    }

    /// Puts a job in that will probably cost so many nanoseconds; 0 counts as 1.
    pub fn push(&mut self, share: Share, cost: u64, job: T) {
        self.pushed += 1;
        self.length += 1;
        self.levels[share.rank.index()].push(share, cost, self.pushed, job);
    }

    /// Takes the next job out.
    pub fn pop(&mut self) -> Option<T> {
        let job = self.levels.iter_mut().find_map(Level::pop)?;
        self.length -= 1;
        Some(job)
    }

    /// Drops the jobs that are `dead`. Their flows don't get back what these would have cost.
    pub fn sweep(&mut self, mut dead: impl FnMut(&T) -> bool) {
        for level in &mut self.levels {
            self.length -= level.sweep(&mut dead);
        }
    }

    /// How many jobs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many flows are remembered.
    #[cfg(test)]
    pub(super) fn flows(&self) -> usize {
        self.levels.iter().map(|level| level.lines.len()).sum()
    }
}

impl<T> Level<T> {
    fn new() -> Self {
        Self {
            lines: HashMap::new(),
            next: BTreeSet::new(),
            resting: BTreeSet::new(),
            now: 0,
        }
    }

    fn push(&mut self, share: Share, cost: u64, order: u64, job: T) {
        let line = self.lines.entry(share.flow).or_insert_with(|| Line {
            finish: 0,
            jobs: VecDeque::new(),
        });
        let start = line.finish.max(self.now);
        if line.jobs.is_empty() {
            self.resting.remove(&(line.finish, share.flow));
            self.next.insert((start, order, share.flow));
        }
        line.finish = start + share.weight.stretch(cost.max(1));
        line.jobs.push_back((start, order, job));
    }

    fn pop(&mut self) -> Option<T> {
        let (start, _, flow) = self.next.pop_first()?;
        self.now = start;
        let line = self.lines.get_mut(&flow)?;
        let (_, _, job) = line.jobs.pop_front()?;
        match line.jobs.front() {
            Some((start, order, _)) => {
                self.next.insert((*start, *order, flow));
            }
            None => {
                self.resting.insert((line.finish, flow));
            }
        }
        self.forget();
        Some(job)
    }

    /// Forgets the flows whose past has no more bearing on what comes.
    fn forget(&mut self) {
        if self.next.is_empty() {
            self.lines.clear();
            self.resting.clear();
            self.now = 0;
            return;
        }
        while let Some(&(finish, flow)) = self.resting.first()
            && finish <= self.now
        {
            self.resting.pop_first();
            self.lines.remove(&flow);
        }
    }

    fn sweep(&mut self, dead: &mut impl FnMut(&T) -> bool) -> usize {
        let mut dropped = 0;
        self.next.clear();
        self.resting.clear();
        for (&flow, line) in &mut self.lines {
            let before = line.jobs.len();
            line.jobs.retain(|(_, _, job)| !dead(job));
            dropped += before - line.jobs.len();
            match line.jobs.front() {
                Some((start, order, _)) => self.next.insert((*start, *order, flow)),
                None => self.resting.insert((line.finish, flow)),
            };
        }
        self.forget();
        dropped
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for FairQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairQueue")
            .field("len", &self.length)
            .finish_non_exhaustive()
    }
}
