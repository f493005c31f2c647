//! The settings of the lanes, checked as a whole when they are built.

use std::{
    fmt,
    future::Future,
    hash::RandomState,
    ops::RangeInclusive,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Inner, Lanes};
use crate::{
    admission::{Backlog, Probes, Trials},
    cost::CostMemo,
    lane::{BuildError, Family, LaneBuilder, Longer, Park, Patience, helpers},
    os::{CpuBudget, Priority},
};

const SHORT: u8 = 0;
const LONG: u8 = 1;

/// A job is overdue once it has run for so many times what a short job may cost.
const OVERDUE: u32 = 2;

/// A job may be predicted to cost more than the limit by one part of so many and still count as short. Predictions err a
/// little, and jobs that cost just the limit should not be torn between the lanes.
const TOLERANCE: u32 = 8;

const MOST_THREADS: usize = 4096;

/// On few cores, too, a handful of unknown jobs that turn out to be long should not take all threads.
const MORE_SPARES: usize = 4;

/// Settings of [`Lanes`]; see [`Lanes::builder`].
///
/// | setting | default | allowed |
/// | --- | --- | --- |
/// | [`name`](Self::name) | `offload` | not empty, without NUL |
/// | [`threads`](Self::threads) | one per logical core that this process may use; under a CPU quota its share | 1 to 4,096 |
/// | [`long_threads`](Self::long_threads) | as many as `threads`; under a CPU quota its share | 1 to 4,096 |
/// | [`spare_threads`](Self::spare_threads) | 4 more than `threads` | 0 to 4,096 |
/// | [`queue_bound`](Self::queue_bound) | 1,024 jobs | 1 to 1,048,576 |
/// | [`short_limit`](Self::short_limit) | 10 ms | 1 us to 1 s |
/// | [`patience`](Self::patience) | 500 ms to 30 s | the least not above the most |
/// | [`patience_factor`](Self::patience_factor) | 16 | any |
/// | [`burst_patience`](Self::burst_patience) | 10 s | any |
/// | [`stack_size`](Self::stack_size) | the standard library's | 64 KiB to 4 GiB |
#[must_use = "a builder does nothing until `build`"]
pub struct LanesBuilder {
    name: String,
    lane: LaneBuilder,
    threads: Option<usize>,
    long_threads: Option<usize>,
    spare_threads: Option<usize>,
    short_limit: Duration,
    patience: RangeInclusive<Duration>,
    patience_factor: u32,
    burst_patience: Duration,
    short_priority: Priority,
    long_priority: Priority,
}

impl LanesBuilder {
    pub(super) fn new() -> Self {
        Self {
            name: "offload".to_owned(),
            lane: LaneBuilder::new(),
            threads: None,
            long_threads: None,
            spare_threads: None,
            short_limit: Duration::from_millis(10),
            patience: Duration::from_millis(500)..=Duration::from_secs(30),
            patience_factor: 16,
            burst_patience: Duration::from_secs(10),
            short_priority: Priority::short_jobs(),
            long_priority: Priority::long_jobs(),
        }
    }

    /// What the threads' names begin with: `{name}-short-0`, `{name}-long-0`. Linux shows the first 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many jobs each of the two lanes runs at a time, with a thread for each.
    ///
    /// Beside these the lanes have [`spare_threads`](Self::spare_threads), helpers for rayon's work inside of jobs, and a watch each, all of
    /// which sleep most of the time: with `threads(2)` there are 16 threads in all. [`thread_count`](Self::thread_count) tells.
    ///
    /// Under a CPU quota the default divides [`CpuBudget::lane_threads`](crate::CpuBudget::lane_threads) among both lanes.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many jobs the long lane runs at a time, if not as many as the short one.
    pub fn long_threads(mut self, threads: usize) -> Self {
        self.long_threads = Some(threads);
        self
    }

    /// How many further threads the short lane has. They run jobs in place of others whose job is overdue, and beside other
    /// programs that keep the cores busy. For these the long lane has as many, but no more than it has threads anyway.
    pub fn spare_threads(mut self, threads: usize) -> Self {
        self.spare_threads = Some(threads);
        self
    }

    /// How many jobs may wait in each of the lanes. No flow may take the last places from the others: it gets one more only
    /// while it has less than eight times as many as are still free.
    pub fn queue_bound(mut self, jobs: usize) -> Self {
        self.lane = self.lane.queue_bound(jobs);
        self
    }

    /// Jobs that probably cost more, by an eighth at least, go to the long lane. One that has run for twice as long in the short lane is overdue.
    pub fn short_limit(mut self, limit: Duration) -> Self {
        self.short_limit = limit;
        self
    }

    /// How long a job may wait for its beginning, at least and at most, that comes without a patience of its own. In between it is
    /// [`patience_factor`](Self::patience_factor) times what the job probably takes.
    ///
    /// A job that would probably wait for more than half of it is refused at once, unless it waits for a burst; see
    /// [`burst_patience`](Self::burst_patience). One that has waited for all of it nevertheless is dropped instead of begun.
    pub fn patience(mut self, range: RangeInclusive<Duration>) -> Self {
        self.patience = range;
        self
    }

    /// How many times as long as it probably takes a job may wait, within the bounds of its [`patience`](Self::patience).
    pub fn patience_factor(mut self, factor: u32) -> Self {
        self.patience_factor = factor;
        self
    }

    /// How long a job may wait, by the projection, that comes in a burst or while one drains, and without a patience of its own. Default:
    /// 10 s, about what a person waits for a page. Zero: no longer than any other.
    ///
    /// A burst is what comes within a quarter of a second of a short queue. What goes on to come faster than it is worked
    /// off is an overload, and waits for no longer than its [`patience`](Self::patience) allows.
    pub fn burst_patience(mut self, patience: Duration) -> Self {
        self.burst_patience = patience;
        self
    }

    /// How the threads of both lanes stand to all others on the machine.
    ///
    /// Default: [`Priority::short_jobs`] for the short lane and [`Priority::long_jobs`] for the long one.
    pub fn priorities(mut self, short: Priority, long: Priority) -> Self {
        self.short_priority = short;
        self.long_priority = long;
        self
    }

    /// The stack size of each thread, in bytes.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.lane = self.lane.stack_size(bytes);
        self
    }

    /// Gives each thread of both lanes one future of its own for its whole life, which need not be `Send`.
    ///
    /// `build` is called with the thread's index in its lane, on each thread as it starts. The future is polled there whenever it
    /// was woken, between jobs, by turns with them; it never runs inside a job, not even while a job waits in a
    /// `rayon::join`. It is dropped when it is ready, or on its thread when the lane ends. This is how an adapter
    /// gives each lane thread a small event loop.
    ///
    /// A panic in it is logged and counted ([`LaneStats::resident_panics`](crate::LaneStats::resident_panics)), and
    /// the future is polled again when it is woken next, and once more in any case.
    pub fn local(
        mut self,
        build: impl Fn(usize) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync + 'static,
    ) -> Self {
        self.lane = self.lane.local(build);
        self
    }

    /// Gives each thread of both lanes a way to sleep of its own, which serves timers and sockets meanwhile; see [`Park`].
    ///
    /// `build` is called with the thread's index in its lane, on each thread as it starts, before [`local`](Self::local)'s.
    /// Default: [`std::thread::park`].
    pub fn park(mut self, build: impl Fn(usize) -> Box<dyn Park> + Send + Sync + 'static) -> Self {
        self.lane = self.lane.park(build);
        self
    }

    /// Wraps each piece of work on the threads of both lanes: each closure, each poll of a task, and building, polling and
    /// dropping the [`local`](Self::local) future.
    ///
    /// `around` must call its argument once; a job whose `around` does not is cancelled. This is how an adapter enters
    /// the context of an async runtime.
    pub fn around(mut self, around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) -> Self {
        self.lane = self.lane.around(around);
        self
    }

    /// How many threads [`build`](Self::build) starts: those of both lanes, the spares, and one for each lane that watches it. To
    /// find out beforehand whether they can be had: [`rehearse_threads`](crate::rehearse_threads).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(offload_core::Lanes::builder().threads(2).thread_count()?, 16);
    /// # Ok::<(), offload_core::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] that names the setting whose value is not allowed.
    pub fn thread_count(&self) -> Result<usize, BuildError> {
        const WATCHES: usize = 2;
        let Counts {
            threads,
            long_threads,
            spares,
        } = self.check()?;
        let helpers = helpers(threads) + helpers(long_threads);
        let spares = spares + long_spares(spares, long_threads);
        Ok(threads + long_threads + spares + helpers + WATCHES)
    }

    /// Whether the settings of both lanes together are allowed; how many threads they mean.
    fn check(&self) -> Result<Counts, BuildError> {
        let (threads, long_threads) = self.threads.map_or_else(shares, |both| (both, both));
        let long_threads = self.long_threads.unwrap_or(long_threads);
        for (setting, threads) in [("threads", threads), ("long_threads", long_threads)] {
            if !(1..=MOST_THREADS).contains(&threads) {
                let rule = format!("must be 1 to {MOST_THREADS}, not {threads}");
                return Err(BuildError::setting(setting, rule));
            }
        }
        let spares = self.spare_threads.unwrap_or(threads + MORE_SPARES);
        if spares > MOST_THREADS {
            let rule = format!("must be 0 to {MOST_THREADS}, not {spares}");
            return Err(BuildError::setting("spare_threads", rule));
        }
        let limits = Duration::from_micros(1)..=Duration::from_secs(1);
        if !limits.contains(&self.short_limit) {
            let rule = format!("must be 1us to 1s, not {:?}", self.short_limit);
            return Err(BuildError::setting("short_limit", rule));
        }
        if self.patience.is_empty() {
            let rule = format!("must begin before its end, not be {:?}", self.patience);
            return Err(BuildError::setting("patience", rule));
        }
        if self.name.is_empty() {
            return Err(BuildError::setting("name", "must not be empty"));
        }
        Ok(Counts {
            threads,
            long_threads,
            spares,
        })
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] that names the setting whose value is not allowed, or says that the operating system gave
    /// no thread.
    pub fn build(self) -> Result<Lanes, BuildError> {
        let Counts {
            threads,
            long_threads,
            spares,
        } = self.check()?;
        let threads_of = |lane| if lane == LONG { long_threads } else { threads };
        let memo = Arc::new(CostMemo::default());
        let books: Arc<[Backlog]> = [SHORT, LONG]
            .map(|lane| Backlog::new(usize::from(lane), threads_of(lane)))
            .into();
        let (least, most) = self.patience.into_inner();
        let patience = Patience::Proportional {
            least,
            factor: self.patience_factor,
            most,
            burst: self.burst_patience,
        };
        let epoch = Instant::now();
        let lane = |index, name, priority, spares, quantum| {
            let family = Family {
                name: format!("{}-{name}", self.name),
                threads: threads_of(index),
                priority,
                books: Arc::clone(&books),
                index,
                spares,
                quantum,
                memo: Arc::clone(&memo),
                epoch,
            };
            self.lane.clone().build(family)
        };
        let quantum = self.short_limit * OVERDUE;
        let short_limit = self.short_limit + self.short_limit / TOLERANCE;
        let short = lane(SHORT, "short", self.short_priority, spares, Some(quantum))?;
        let spares_of_long = long_spares(spares, long_threads);
        let long = lane(LONG, "long", self.long_priority, spares_of_long, None)?;
        // It is set here only, once.
        let _ = short.shared().longer.set(Longer {
            lane: Arc::downgrade(long.shared()),
            limit: short_limit,
        });
        Ok(Lanes {
            inner: Arc::new(Inner {
                short,
                long,
                short_limit,
                patience,
                memo,
                keys: RandomState::new(),
                probes: Arc::new(Probes::new()),
                // Half of the spares are left for those whose prediction was wrong.
                trials: Arc::new(Trials::new(spares.div_ceil(2), short_limit)),
            }),
        })
    }
}

/// How many threads the short lane has by default, and how many the long one.
fn shares() -> (usize, usize) {
    let budget = CpuBudget::detect();
    let threads = budget.lane_threads();
    match budget.quota() {
        None => (threads, threads),
        // What the kernel counts is the sum.
        Some(_) => (threads.div_ceil(2), (threads / 2).max(1)),
    }
}

/// The long lane's spares, which have nothing to do but beside other programs.
fn long_spares(spares: usize, long_threads: usize) -> usize {
    spares.min(long_threads)
}

/// How many threads of which kind.
struct Counts {
    threads: usize,
    long_threads: usize,
    spares: usize,
}

impl fmt::Debug for LanesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanesBuilder")
            .field("name", &self.name)
            .field("threads", &self.threads)
            .field("short_limit", &self.short_limit)
            .finish_non_exhaustive()
    }
}
