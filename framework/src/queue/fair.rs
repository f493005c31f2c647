//! Start-time fair queueing: flows share what there is by cost, whatever the others send.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
};

use crate::admission::{Rank, Share};

/// Virtual time runs in nanoseconds for a flow of the default weight.
type Virtual = u128;

/// What a flow may have in hand that comes back after a rest, in nanoseconds at the default weight. The others wait for as
/// much, once, so it should be small to a person, and large to a job that is short.
const CREDIT: Virtual = 50_000_000;

/// Jobs of several flows in the order in which they are to be begun.
///
/// Higher ranks come first in any case. Within a rank, flows get shares of the *cost* in proportion to their weights, and a
/// flow's own jobs keep their order. A flow that comes back after a rest gets credit for 50 ms of cost at most, whatever
/// it has left unused before: so a flow that needs less than its share is served at once, also when its jobs come in a
/// burst, and it waits for none of what the others have queued but the jobs that have begun.
///
/// The algorithm is start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996), with predicted
/// costs in place of packet lengths, and with the credit, which is an addition of ours. Whoever learns what a job really cost can have that [charged](Self::charge) instead.
/// Putting in and taking out cost the logarithm of the number of flows that wait.
pub(crate) struct FairQueue<T> {
    levels: [Level<T>; Rank::ALL.len()],
    length: usize,
    pushed: u64,
}

/// What a flow was charged for a job that was taken out, so that it can be put right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    share: Share,
    cost: u64,
    start: Virtual,
    period: u64,
}

/// The flows of one rank.
struct Level<T> {
    lines: HashMap<u32, Line<T>>,
    /// The first job of each line that has one: start tag, order of arrival, flow.
    next: BTreeSet<(Virtual, u64, u32)>,
    /// Lines that are empty but still ahead of the floor: finish tag, flow.
    resting: BTreeSet<(Virtual, u32)>,
    /// The latest start tag of a job that was taken.
    now: Virtual,
    /// How often everything was forgotten.
    period: u64,
}

/// The jobs of one flow.
struct Line<T> {
    /// The start tag of its first job, or, if none waits, the finish tag of its last.
    tag: Virtual,
    /// Where the tag was when the flow last came from a rest, which settled whatever it had owed until then.
    since: Virtual,
    jobs: VecDeque<Job<T>>,
}

struct Job<T> {
    share: Share,
    cost: u64,
    order: u64,
    job: T,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self {
            levels: std::array::from_fn(|_| Level::new()),
            length: 0,
            pushed: 0,
        }
    }

    /// Puts a job in that will probably cost so many nanoseconds; 0 counts as 1.
    pub(crate) fn push(&mut self, share: Share, cost: u64, job: T) {
        self.pushed += 1;
        self.length += 1;
        self.levels[share.rank.index()].push(Job {
            share,
            cost,
            order: self.pushed,
            job,
        });
    }

    /// Takes the next job out, with the receipt for what its flow was charged.
    pub(crate) fn pop(&mut self) -> Option<(T, Receipt)> {
        let taken = self.levels.iter_mut().find_map(Level::pop)?;
        self.length -= 1;
        Some(taken)
    }

    /// Charges a flow what a job really cost, in nanoseconds, in place of what was predicted; nothing at all if it never
    /// ran is 0.
    ///
    /// A flow whose jobs are dearer than predicted waits for longer after that, and one whose jobs were cheaper gets the
    /// difference back, though never so that it comes before those that are next already. Call it once for a receipt, or
    /// never: a receipt that was not used leaves nothing behind.
    pub(crate) fn charge(&mut self, receipt: Receipt, actual: u64) {
        self.levels[receipt.share.rank.index()].charge(receipt, actual);
    }

    /// Drops the jobs that are `dead`. Their flows are not charged for them.
    pub(crate) fn sweep(&mut self, mut dead: impl FnMut(&T) -> bool) {
        for level in &mut self.levels {
            self.length -= level.sweep(&mut dead);
        }
    }

    /// How many jobs there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// How many flows are remembered.
    #[cfg(all(test, not(loom)))]
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
            now: CREDIT,
            period: 0,
        }
    }

    fn push(&mut self, job: Job<T>) {
        let flow = job.share.flow;
        let floor = self.floor();
        let line = self.lines.entry(flow).or_insert_with(|| Line::at(floor));
        if line.jobs.is_empty() {
            self.resting.remove(&(line.tag, flow));
            if line.tag < floor {
                (line.tag, line.since) = (floor, floor);
            }
            self.next.insert((line.tag, job.order, flow));
        }
        line.jobs.push_back(job);
    }

    fn pop(&mut self) -> Option<(T, Receipt)> {
        let (start, _, flow) = self.next.pop_first()?;
        self.now = self.now.max(start);
        let line = self.lines.get_mut(&flow)?;
        let Job {
            share, cost, job, ..
        } = line.jobs.pop_front()?;
        line.tag = start + share.weight.stretch(cost.max(1));
        let receipt = Receipt {
            share,
            cost,
            start,
            period: self.period,
        };
        self.file(flow);
        self.forget();
        Some((job, receipt))
    }

    fn charge(&mut self, receipt: Receipt, actual: u64) {
        if receipt.period != self.period {
            return; // It was forgotten with all others.
        }
        let flow = receipt.share.flow;
        let predicted = receipt.share.weight.stretch(receipt.cost.max(1));
        let finish = receipt.start + receipt.share.weight.stretch(actual);
        let floor = self.floor();
        let line = self.lines.entry(flow).or_insert_with(|| Line::at(floor));
        let tag = if line.since > receipt.start {
            // A rest has settled the job in the meantime, but for what reaches beyond it.
            line.tag + finish.saturating_sub(line.since)
        } else {
            (line.tag + finish).saturating_sub(receipt.start + predicted)
        };
        let first = line.jobs.front().map(|job| job.order);
        match first {
            Some(order) => self.next.remove(&(line.tag, order, flow)),
            None => self.resting.remove(&(line.tag, flow)),
        };
        line.tag = tag.max(floor);
        self.file(flow);
        self.forget();
    }

    /// The start tag of the next job of a flow that has used nothing of late.
    fn floor(&self) -> Virtual {
        self.now - CREDIT
    }

    /// Puts a line into the order it belongs to.
    fn file(&mut self, flow: u32) {
        let Some(line) = self.lines.get(&flow) else {
            return;
        };
        match line.jobs.front() {
            Some(first) => self.next.insert((line.tag, first.order, flow)),
            None => self.resting.insert((line.tag, flow)),
        };
    }

    /// Forgets the flows whose past has no more bearing on what comes.
    fn forget(&mut self) {
        if self.next.is_empty() {
            self.lines.clear();
            self.resting.clear();
            self.now = CREDIT;
            self.period += 1;
            return;
        }
        while let Some(&(finish, flow)) = self.resting.first()
            && finish <= self.floor()
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
            line.jobs.retain(|job| !dead(&job.job));
            dropped += before - line.jobs.len();
            match line.jobs.front() {
                Some(first) => self.next.insert((line.tag, first.order, flow)),
                None => self.resting.insert((line.tag, flow)),
            };
        }
        self.forget();
        dropped
    }
}

impl<T> Line<T> {
    /// The line of a flow of which nothing is known.
    fn at(now: Virtual) -> Self {
        Self {
            tag: now,
            since: now,
            jobs: VecDeque::new(),
        }
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
