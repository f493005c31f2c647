//! The lanes of a process together: which of them a job belongs to, what it will cost, and whether it may enter.

mod builder;
mod fallback;
mod metered;
mod terms;

use std::{
    any::TypeId,
    fmt,
    future::Future,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
    time::Duration,
};

use self::metered::{Metered, attribute};
pub use self::{
    builder::LanesBuilder,
    terms::{JobKey, Terms},
};
use crate::{
    admission::{Flow, Probes, Trials},
    clock::Stopwatch,
    cost::CostMemo,
    error::Error,
    lane::{Arrival, JobHandle, Lane, LaneState, LaneStats, Patience, Run, Task},
    nanos::nanos,
};

/// Two lanes, one for short jobs and one for long ones, and the knowledge which is which.
///
/// A short job must not wait behind long ones, so jobs are told apart by what they will probably cost: by what the very
/// same job cost the last times ([`JobKey`]), or else by what the caller expects. Both lanes have as many threads as there
/// are cores; the operating system gives the short lane's the cores first. A job of which nothing is known counts as
/// short. Once it has run for longer than short jobs do, it is *overdue*: its slot is lent to a spare thread, its own
/// thread falls behind all others for the rest of it, and the next of its kind go to the long lane, those already queued
/// included.
///
/// Cloning is cheap, and all clones are the same lanes. When the last one is dropped, jobs that have not begun are cancelled and
/// dropped on the spot, those that have begun go on to their end, and the threads end after that; nothing waits for them.
/// A task that waits has begun. A job that is started from one of the lanes' own threads runs right there instead of
/// queueing behind itself.
///
/// # Panics
///
/// No panic of a job ends a thread or the process: [`run`](Self::run) and [`spawn`](Self::spawn) give it back as an
/// [`Error`], [`submit`](Self::submit) logs it.
///
/// # Examples
///
/// ```
/// use offload_core::Lanes;
///
/// let lanes = Lanes::builder().threads(2).build()?;
/// let sum = pollster::block_on(lanes.run(|| (1..=1_000_u64).sum::<u64>()))?;
/// assert_eq!(sum, 500_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    short: Lane,
    long: Lane,
    short_limit: Duration,
    patience: Patience,
    memo: Arc<CostMemo>,
    keys: RandomState,
    trials: Arc<Trials>,
    probes: Arc<Probes>,
}

impl Lanes {
    /// Settings for new lanes.
    pub fn builder() -> LanesBuilder {
        LanesBuilder::new()
    }

    /// What is going on in the lane for short jobs and for those of which nothing is known.
    #[must_use]
    pub fn short(&self) -> LaneState {
        self.inner.short.state()
    }

    /// What is going on in the lane for long jobs.
    #[must_use]
    pub fn long(&self) -> LaneState {
        self.inner.long.state()
    }

    /// For the tests of what is inside of a lane.
    #[cfg(all(test, target_os = "linux", not(loom)))]
    pub(crate) fn short_lane(&self) -> &Lane {
        &self.inner.short
    }

    /// For the tests of what is inside of a lane.
    #[cfg(all(test, target_os = "linux", not(loom)))]
    pub(crate) fn long_lane(&self) -> &Lane {
        &self.inner.long
    }

    /// How many jobs the short lane runs at a time, and the long one too unless it was given another number.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.inner.short.threads()
    }

    /// How many jobs wait for their beginning, in both lanes.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inner.short.queued() + self.inner.long.queued()
    }

    /// How many threads of both lanes are at work now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.inner.short.running() + self.inner.long.running()
    }

    /// What both lanes have done since they were built. A job that moved from one to the other counts once.
    #[must_use]
    pub fn stats(&self) -> LaneStats {
        self.inner.short.stats().plus(self.inner.long.stats())
    }

    /// Whether the calling thread is one of these lanes'.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.inner.short.is_current() || self.inner.long.is_current()
    }

    /// The longest that any job may wait by its cost; see [`LanesBuilder::patience`].
    #[must_use]
    pub fn longest_patience(&self) -> Duration {
        self.inner.patience.most()
    }

    /// A key under which the cost of like jobs is remembered.
    #[must_use]
    pub fn key(&self, like: impl Hash) -> JobKey {
        JobKey::of(self.inner.keys.hash_one(like))
    }

    /// Remembers what a job cost.
    ///
    /// [`run`](Self::run) and [`spawn`](Self::spawn) do so themselves; jobs given to [`submit`](Self::submit) may do their
    /// real work later.
    pub fn record(&self, key: JobKey, cost: Duration) {
        if let Some(key) = key.get() {
            self.inner.memo.record(key, cost);
        }
    }

    /// Runs `work` on the calling lane thread as part of the job of that key, so that the right one is remembered if it
    /// becomes overdue.
    pub fn attribute<T>(&self, key: JobKey, work: impl FnOnce() -> T) -> T {
        attribute(key, work)
    }

    /// Runs `f` on the lane that it belongs to.
    ///
    /// What it will cost is told from what closures of the same type cost before. The closure enters the queue now, not at
    /// the first poll, and runs inside the [`tracing::Span`] that is current here. Called from one of the lanes' own threads,
    /// it runs before this returns.
    ///
    /// # Errors
    ///
    /// The future resolves to an [`Error`] if the lane took no more work, `f` waited too long, the lane ended first, or
    /// `f` panicked. Unless it panicked, `f` never ran.
    ///
    /// # Cancel safety
    ///
    /// Dropping the [`Run`] before `f` has begun removes it. After that it runs to its end, and
    /// [`is_cancelled`](crate::is_cancelled) tells it that nobody waits any more.
    pub fn run<F, T>(&self, f: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.run_with(&Terms::new().key(self.key_of_type::<F>()), f)
    }

    /// Runs `f` on the lane that it belongs to by `terms`, and remembers its cost under their key. Otherwise like
    /// [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As for [`run`](Self::run).
    pub fn run_with<F, T>(&self, terms: &Terms, f: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let key = terms.key.get();
        let (lane, arrival) = self.place(terms);
        // Not the lanes themselves: what is queued must not keep them from ending.
        let memo = Arc::clone(&self.inner.memo);
        lane.run(arrival, move || {
            let watch = Stopwatch::start();
            let value = f();
            if let Some(key) = key {
                memo.record(key, watch.cost());
            }
            value
        })
    }

    /// Polls `future` on the lane that it belongs to.
    ///
    /// What it will cost is told from what futures of the same type cost before. It enters the queue now. Its first poll takes
    /// its turn in the queue; when it is woken later, its next poll comes by turns with new jobs, and while it waits it holds
    /// no thread. All polls are inside the [`tracing::Span`] that is current here. Called from one of the lanes' own threads,
    /// the first poll happens before this returns.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// Dropping the [`Task`] before the first poll removes the future. After that it stops it at its next await.
    pub fn spawn<Fut>(&self, future: Fut) -> Task<Fut::Output>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let key = self.key_of_type::<Fut>();
        let (lane, arrival) = self.place(&Terms::new().key(key));
        lane.spawn(
            arrival,
            Metered::new(future, Arc::clone(&self.inner.memo), key),
        )
    }

    /// Puts `f` into the queue of the lane that it belongs to by `terms`, or refuses it at once. Nobody is told how it ends; a
    /// panic is logged. Called from one of the lanes' own threads, `f` runs before this returns.
    ///
    /// # Errors
    ///
    /// Returns an [`Error`] that [`is_overloaded`](Error::is_overloaded) and tells the
    /// [`projected_delay`](Error::projected_delay), if `f` would have to wait longer than it may or there is no room;
    /// `f` is dropped here and never runs.
    pub fn submit<F>(&self, terms: &Terms, f: F) -> Result<JobHandle, Error>
    where
        F: FnOnce() + Send + 'static,
    {
        let (lane, arrival) = self.place(terms);
        let submitted = lane.submit(arrival, f);
        if submitted.is_err()
            && let Some(key) = terms.key.get()
        {
            self.inner.memo.doubt(key);
        }
        submitted
    }

    /// Has `future` polled on the lane that it belongs to by `terms`.
    ///
    /// Nothing is measured, as for [`submit`](Self::submit): the future says itself what it cost, to [`record`](Self::record)
    /// and to its [`Bill`](crate::Bill).
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Self::spawn). A refusal is there at once: the first poll of the [`Task`] returns it.
    ///
    /// # Cancel safety
    ///
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use offload_core::{Lanes, Terms};
    /// use std::time::Duration;
    ///
    /// let lanes = Lanes::builder().threads(1).build()?;
    /// let terms = Terms::new().cost(Duration::from_millis(2));
    /// let sum = lanes.submit_future(&terms, async { (1..=1_000_u64).sum::<u64>() });
    /// assert_eq!(pollster::block_on(sum)?, 500_500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_future<Fut>(&self, terms: &Terms, future: Fut) -> Task<Fut::Output>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let (lane, arrival) = self.place(terms);
        lane.spawn(arrival, future)
    }

    /// How long a job on these terms would wait that came now.
    #[must_use]
    pub fn projected_delay(&self, terms: &Terms) -> Duration {
        let (lane, arrival) = self.foresee(terms);
        lane.projected_delay_of(&arrival)
    }

    /// Whether a job on these terms would be taken now.
    ///
    /// # Errors
    ///
    /// Returns what [`submit`](Self::submit) would return, and counts it as refused. A full queue is met only there.
    pub fn check(&self, terms: &Terms) -> Result<(), Error> {
        let (lane, arrival) = self.foresee(terms);
        lane.check(&arrival)
    }

    /// Whether a job on these terms would be taken now. Nothing is counted, and nothing reserved: another may take the
    /// last place meanwhile.
    #[must_use]
    pub fn would_take(&self, terms: &Terms) -> bool {
        let (lane, arrival) = self.foresee(terms);
        lane.would_take(&arrival)
    }

    /// Refuses all further jobs, as if both lanes were full. Those that were taken go on.
    pub fn refuse_all(&self) {
        self.inner.short.shared().refuse_all();
        self.inner.long.shared().refuse_all();
    }

    /// Removes all jobs that have not begun, as if their owners had dropped them: they are dropped here and now, on the
    /// calling thread.
    pub fn remove_all(&self) {
        self.inner.short.shared().remove_all();
        self.inner.long.shared().remove_all();
    }

    /// The lane for a job on these terms, and what it is there.
    fn place(&self, terms: &Terms) -> (&Lane, Arrival) {
        let known = self.known(terms);
        let probe = self.flow_to_probe(terms, known);
        if let Some(probe) = probe.and_then(|flow| self.inner.probes.start(flow)) {
            let way = Way::Probe {
                is_first: probe.is_first(),
            };
            let (lane, mut arrival) = self.arrive(terms, known, way);
            arrival.probe = Some(probe);
            return (lane, arrival);
        }
        let flow = self.flow_to_try(terms, known);
        let trial = flow.and_then(|flow| self.inner.trials.start(flow));
        let way = Way::with_trial(trial.is_some());
        let (lane, mut arrival) = self.arrive(terms, known, way);
        arrival.trial = trial;
        (lane, arrival)
    }

    /// Like [`place`](Self::place), for a job that does not come yet.
    fn foresee(&self, terms: &Terms) -> (&Lane, Arrival) {
        let inner = &*self.inner;
        let known = self.known(terms);
        let probe = self.flow_to_probe(terms, known);
        if let Some(is_first) = probe.and_then(|flow| inner.probes.would_start(flow)) {
            return self.arrive(terms, known, Way::Probe { is_first });
        }
        let flow = self.flow_to_try(terms, known);
        let tried = flow.is_some_and(|flow| inner.trials.would_start(flow));
        self.arrive(terms, known, Way::with_trial(tried))
    }

    fn known(&self, terms: &Terms) -> Known {
        let key = terms.key.get();
        let shown = || {
            terms
                .flow
                .as_ref()
                .filter(|_| terms.probe.is_some())?
                .at_least()
        };
        Known {
            remembered: key.and_then(|key| self.inner.memo.predict(key)),
            expected: terms.cost.or_else(shown),
        }
    }

    /// Among whose probes it may be, if it may be short for all that is known.
    fn flow_to_probe<'a>(&self, terms: &'a Terms, known: Known) -> Option<&'a Arc<Flow>> {
        let is_long = known
            .cost()
            .is_some_and(|cost| cost > self.inner.short_limit);
        let flow = terms.probe.as_ref()?;
        (!is_long && !self.is_current()).then_some(flow)
    }

    /// Whose job it is, if it would be long and nobody has seen it yet, so that it may be tried in the short lane.
    fn flow_to_try<'a>(&self, terms: &'a Terms, known: Known) -> Option<&'a Arc<Flow>> {
        let limit = self.inner.short_limit;
        let is_long = known.expected.is_some_and(|cost| cost > limit);
        let is_unknown = known.remembered.is_none() && terms.key.get().is_some();
        let flow = terms.flow.as_ref()?;
        (is_long && is_unknown && !self.is_current()).then_some(flow)
    }

    fn arrive(&self, terms: &Terms, known: Known, way: Way) -> (&Lane, Arrival) {
        let inner = &*self.inner;
        let cost = match way {
            Way::Trial => Some(inner.short_limit),
            Way::Probe { .. } | Way::Plain => known.cost(),
        };
        let lane = match cost {
            // Whoever is on a lane already stays there: a second hop would only cost.
            _ if inner.short.is_current() => &inner.short,
            _ if inner.long.is_current() => &inner.long,
            Some(cost) if cost > inner.short_limit => &inner.long,
            _ => &inner.short,
        };
        let own = terms.flow.as_ref().unwrap_or(&lane.shared().flow);
        let (flow, patience) = match (way, &terms.probe) {
            (Way::Probe { is_first }, Some(probes)) => {
                let flow = if is_first { probes } else { own };
                (flow, inner.patience.longest())
            }
            _ => (own, inner.patience),
        };
        let comes_first = !Arc::ptr_eq(flow, own);
        let is_unknown = terms.probe.is_some() && cost.is_none();
        let cost = cost.unwrap_or(inner.short_limit);
        let arrival = Arrival {
            flow: Arc::clone(flow),
            own: comes_first.then(|| Arc::clone(own)),
            cost: nanos(cost),
            patience: terms.patience.map_or(patience, Patience::Fixed),
            key: terms.key.word(),
            trial: None,
            probe: None,
            unknown_of: is_unknown.then(|| Arc::clone(own)),
        };
        (lane, arrival)
    }

    fn key_of_type<T: 'static>(&self) -> JobKey {
        // Not by its name, which all closures of a function have in common.
        self.key(TypeId::of::<T>())
    }
}

/// What is known of the cost of a job.
#[derive(Clone, Copy)]
struct Known {
    /// What the very same one cost the last times.
    remembered: Option<Duration>,
    /// What its kind costs.
    expected: Option<Duration>,
}

impl Known {
    fn cost(self) -> Option<Duration> {
        self.remembered.or(self.expected)
    }
}

/// How a job comes to its lane.
#[derive(Clone, Copy)]
enum Way {
    /// To find out what it is: with the longest patience, and before all others if there are few of them.
    Probe {
        is_first: bool,
    },
    /// As a short one, though it probably is none.
    Trial,
    Plain,
}

impl Way {
    fn with_trial(tried: bool) -> Self {
        if tried { Self::Trial } else { Self::Plain }
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("short", &self.inner.short)
            .field("long", &self.inner.long)
            .finish_non_exhaustive()
    }
}
