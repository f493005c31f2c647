//! What is said of a stall, and the latest of them.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;

/// So many of the latest stalls are kept.
const KEPT: usize = 64;

/// The name of what is no route: a background task, or a request before the routes of its app are known.
pub(super) const NO_ROUTE: &str = "no route";

/// What is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StallKind {
    /// A poll computes and keeps its event loop.
    Computing,
    /// A poll waits, for a lock, a file or a `sleep`, and keeps its event loop.
    Waiting,
    /// A request on a lane runs far longer than its route usually does, or long while that is not known. No event loop is stalled.
    LaneJob,
    /// Tasks that handlers have spawned compute on a lane thread and keep the handlers that wait there. No event loop is stalled.
    LaneTasks,
    /// All threads of an event loop's pool for blocking work are busy. The loop itself is not stalled.
    BlockingPool,
}

impl StallKind {
    /// Whether it keeps an event loop from its other connections.
    #[must_use]
    pub fn is_of_loop(self) -> bool {
        matches!(self, Self::Computing | Self::Waiting)
    }

    /// The word that reports and metrics use: `computing`, `waiting`, `lane_job`, `lane_tasks`, `blocking_pool`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Computing => "computing",
            Self::Waiting => "waiting",
            Self::LaneJob => "lane_job",
            Self::LaneTasks => "lane_tasks",
            Self::BlockingPool => "blocking_pool",
        }
    }
}

impl fmt::Display for StallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One stall, as far as it has got.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stall {
    /// Its number. Later stalls have higher ones.
    pub id: u64,
    /// The number of the event loop; `None` on a lane.
    pub event_loop: Option<usize>,
    /// The name of the thread.
    pub thread: String,
    /// Method and pattern of the route, or `no route`.
    pub route: String,
    /// What is stuck.
    pub kind: StallKind,
    /// How long it has lasted so far, by the wall clock.
    pub elapsed: Duration,
    /// The CPU time that its thread has used meanwhile, at least.
    pub on_cpu: Duration,
    /// Whether it is over.
    pub over: bool,
    /// When it began.
    pub began: Instant,
    /// How many reports, of any stall, the cap has suppressed since the report before this one.
    pub suppressed: u64,
    /// Where the thread was at the first report, or at the first later one that could tell. If the thread waited, the first line says in
    /// what (`waits in futex`). The calls follow, innermost first. Empty without the feature `stall-backtrace` and on other platforms.
    pub backtrace: Vec<String>,
}

/// How often a route was found stalled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StallCount {
    /// Method and pattern of the route, or `no route`.
    pub route: String,
    /// What was stuck.
    pub kind: StallKind,
    /// How many stalls, each counted once.
    pub count: u64,
}

/// The latest stalls, and how many there ever were.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    latest: VecDeque<Stall>,
    counts: HashMap<(String, StallKind), u64>,
    begun: u64,
    pub(super) suppressed: u64,
}

impl Stalls {
    /// Takes a new stall in and gives it its number.
    pub(super) fn begin(&mut self, mut stall: Stall) -> u64 {
        stall.id = self.begun;
        self.begun += 1;
        let of_its_like = self.counts.entry((stall.route.clone(), stall.kind));
        *of_its_like.or_default() += 1;
        if self.latest.len() == KEPT {
            // One that lasts is still reported on, as long as there is another to forget.
            let forgotten = self.latest.iter().position(|stall| stall.over);
            self.latest.remove(forgotten.unwrap_or(0));
        }
        let id = stall.id;
        self.latest.push_back(stall);
        id
    }

    /// The stall of that number, unless it is forgotten.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Stall> {
        self.latest.iter_mut().rev().find(|stall| stall.id == id)
    }

    pub(super) fn latest(&self) -> Vec<Stall> {
        self.latest.iter().cloned().collect()
    }

    pub(super) fn counts(&self) -> Vec<StallCount> {
        let counts = self.counts.iter();
        let counts = counts.map(|((route, kind), count)| StallCount {
            route: route.clone(),
            kind: *kind,
            count: *count,
        });
        counts.collect()
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            thread,
            route,
            elapsed,
            on_cpu,
            ..
        } = self;
        match (self.kind, self.over) {
            (StallKind::Computing, false) => write!(
                f,
                "{thread} is stalled: {route} has computed for {elapsed:.1?} without coming back to the event loop ({on_cpu:.1?} on the CPU)"
            ),
            (StallKind::Waiting, false) => write!(
                f,
                "{thread} is stalled: {route} has waited inside a poll for {elapsed:.1?} ({on_cpu:.1?} on the CPU)"
            ),
            (StallKind::LaneJob, false) => write!(
                f,
                "{route} has run on {thread} for {elapsed:.1?}, longer than expected; no event loop is stalled"
            ),
            (StallKind::LaneTasks, false) => write!(
                f,
                "tasks that were spawned on {thread} have computed for {elapsed:.1?} ({on_cpu:.1?} on the CPU) and keep the requests that wait there; no event loop is stalled"
            ),
            (StallKind::BlockingPool, false) => write!(
                f,
                "the blocking pool of {thread} has taken nothing for {elapsed:.1?}: all its threads are busy; the event loop is not stalled"
            ),
            (kind, true) => write!(f, "{thread}: {route} ({kind}) is over after {elapsed:.1?}"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn stall(over: bool) -> Stall {
        Stall {
            id: 0,
            event_loop: Some(0),
            thread: String::new(),
            route: NO_ROUTE.to_owned(),
            kind: StallKind::Waiting,
            elapsed: Duration::ZERO,
            on_cpu: Duration::ZERO,
            over,
            began: Instant::now(),
            suppressed: 0,
            backtrace: Vec::new(),
        }
    }

    #[test]
    fn what_is_over_is_forgotten_before_what_lasts() {
        let mut stalls = Stalls::default();
        let lasting = stalls.begin(stall(false));
        for _ in 0..2 * KEPT {
            stalls.begin(stall(true));
        }
        assert!(stalls.get_mut(lasting).is_some());
        assert_eq!(stalls.latest().len(), KEPT);
        let ids: Vec<_> = stalls.latest().iter().map(|stall| stall.id).collect();
        assert!(ids.is_sorted(), "oldest first: {ids:?}");

        let mut stalls = Stalls::default();
        let ids: Vec<_> = (0..=KEPT).map(|_| stalls.begin(stall(false))).collect();
        assert!(stalls.get_mut(ids[0]).is_none(), "there is a bound");
        assert!(stalls.get_mut(ids[1]).is_some());
    }
}
