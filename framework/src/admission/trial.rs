//! Lets a few jobs of long flows try the short lane, because one flow can have long jobs and short ones.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::Flow;

/// After so many failures in a row the gaps between two trials of a flow grow no more: one job of 1,024 is tried then.
const MOST_FAILURES: u32 = 10;

/// The trials of all flows.
///
/// A job that nobody has seen yet, of a flow whose jobs are long, would wait among long ones, even if it takes a
/// millisecond. So one of them is sent to the short lane. Has it been short, the next unknown one is tried as well; has it
/// been long, twice as many as before have to pass until the next: a flow that is always long costs a logarithmic number
/// of trials. Each flow has one trial under way at most, and all together have as many as can be stood in for.
#[derive(Debug)]
pub(crate) struct Trials {
    free: AtomicUsize,
    /// What costs no more is short.
    short_limit: Duration,
}

/// One job on trial. It is over when this is dropped.
pub(crate) struct Trial {
    trials: Arc<Trials>,
    flow: Arc<Flow>,
    stage: AtomicU8,
}

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const SHORT: u8 = 2;

impl Trials {
    /// So many may be under way at a time.
    pub(crate) fn new(most: usize, short_limit: Duration) -> Self {
        Self {
            free: AtomicUsize::new(most),
            short_limit,
        }
    }

    /// Whether a job of `flow` that nobody has seen yet may be tried now.
    pub(crate) fn start(self: &Arc<Self>, flow: &Arc<Flow>) -> Option<Trial> {
        let attempts = &flow.attempts;
        let gap = (1 << attempts.failures.load(Relaxed)) - 1;
        if attempts.under_way.load(Relaxed) || attempts.passed.fetch_add(1, Relaxed) < gap {
            return None;
        }
        if attempts.under_way.swap(true, Relaxed) {
            return None;
        }
        let taken = self
            .free
            .fetch_update(Relaxed, Relaxed, |free| free.checked_sub(1));
        if taken.is_err() {
            attempts.under_way.store(false, Relaxed);
            return None;
        }
        Some(Trial {
            trials: Arc::clone(self),
            flow: Arc::clone(flow),
            stage: AtomicU8::new(WAITING),
        })
    }

    /// Whether a job of `flow` would be tried that came now.
    pub(crate) fn would_start(&self, flow: &Flow) -> bool {
        let attempts = &flow.attempts;
        let gap = (1 << attempts.failures.load(Relaxed)) - 1;
        !attempts.under_way.load(Relaxed)
            && attempts.passed.load(Relaxed) >= gap
            && self.free.load(Relaxed) > 0
    }
}

impl Trial {
    /// The job runs. Unless it turns out to have been short, it was long, however it ends.
    pub(crate) fn begun(&self) {
        self.stage.store(BEGUN, Relaxed);
    }

    /// What the job has cost in all.
    pub(crate) fn has_cost(&self, cost: Duration) {
        if cost <= self.trials.short_limit {
            self.stage.store(SHORT, Relaxed);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let attempts = &self.flow.attempts;
        let failures = attempts.failures.load(Relaxed);
        match self.stage.load(Relaxed) {
            SHORT => {
                attempts.failures.store(0, Relaxed);
                self.flow.forget_at_least();
            }
            BEGUN => attempts
                .failures
                .store((failures + 1).min(MOST_FAILURES), Relaxed),
            // It never ran, so it says nothing.
            _ => {}
        }
        attempts.passed.store(0, Relaxed);
        self.trials.free.fetch_add(1, Relaxed);
        attempts.under_way.store(false, Relaxed);
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(10);

    /// How many jobs pass until the next is tried.
    fn passed(trials: &Arc<Trials>, flow: &Arc<Flow>) -> (usize, Trial) {
        let tried = (0..10_000).find_map(|passed| Some((passed, trials.start(flow)?)));
        tried.expect("tried in the end")
    }

    #[test]
    fn one_at_a_time_for_each_flow_and_so_many_for_all() {
        let trials = Arc::new(Trials::new(2, LIMIT));
        let flows = [Flow::unnamed(), Flow::unnamed(), Flow::unnamed()];
        let first = trials.start(&flows[0]).expect("free");
        assert!(trials.start(&flows[0]).is_none(), "one at a time");
        let second = trials.start(&flows[1]).expect("free");
        assert!(trials.start(&flows[2]).is_none(), "two for all");
        drop(first);
        let third = trials.start(&flows[2]).expect("free again");
        drop((second, third));
        let _again = trials
            .start(&flows[0])
            .expect("what never ran says nothing");
    }

    #[test]
    fn failures_double_the_gap_and_a_success_closes_it() {
        let trials = Arc::new(Trials::new(1, LIMIT));
        let flow = Flow::unnamed();
        for gap in [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023] {
            let (jobs, trial) = passed(&trials, &flow);
            assert_eq!(jobs, gap);
            trial.begun();
            trial.has_cost(2 * LIMIT);
        }
        let (_, trial) = passed(&trials, &flow);
        trial.begun();
        trial.has_cost(LIMIT);
        drop(trial);
        for _ in 0..3 {
            let (jobs, trial) = passed(&trials, &flow);
            assert_eq!(jobs, 0);
            trial.begun();
            trial.has_cost(LIMIT);
        }
    }

    #[test]
    fn who_only_asks_changes_nothing() {
        let trials = Arc::new(Trials::new(1, LIMIT));
        let flow = Flow::unnamed();
        let (_, trial) = passed(&trials, &flow);
        assert!(!trials.would_start(&flow), "one is under way");
        trial.begun();
        drop(trial);
        assert!(!trials.would_start(&flow), "one has to pass first");
        assert!(!trials.would_start(&flow), "and this was none");
        assert!(trials.start(&flow).is_none());
        assert!(trials.would_start(&flow) && trials.would_start(&flow));
        assert!(trials.start(&flow).is_some());
    }

    #[test]
    fn without_places_nothing_is_tried() {
        let trials = Arc::new(Trials::new(0, LIMIT));
        let flow = Flow::unnamed();
        assert!((0..100).all(|_| trials.start(&flow).is_none()));
    }
}
