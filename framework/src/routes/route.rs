//! One route: where its requests run, and what they were found to cost.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    learned::{Kept, Verdicts},
    pin::Pin,
    record::{Observation, Record, Runs},
    shared::{Name, Shared},
    tallies::{SAMPLE, Tallied},
};
#[cfg(feature = "metrics")]
use crate::event_loop::PollTimes;
use crate::{
    admission::{Flow, Rank, Refusal, Weight},
    cost::{BodySize, SizeBucket},
    placement::{Grade, Move, PinSource, Placement, Policy, Reason, Rules, Verdict},
};

/// A method and a resource pattern of one app, with all that is known about it.
///
/// It comes from a [`RouteTable`](super::RouteTable).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use offload_core::{
///     cost::{BodySize, SizeBucket},
///     placement::{Placement, Rules},
///     routes::{Observation, RouteTable},
/// };
///
/// let table = RouteTable::new(Rules::default());
/// let route = table.route(0, "GET", "/users/{id}");
/// let none = SizeBucket::of(BodySize::Known(0));
///
/// // Nothing is known yet, so the first requests run on a lane.
/// assert_eq!(route.place(none), Placement::Lane);
/// for _ in 0..3 {
///     route.observe(none, Observation {
///         cost: Duration::from_micros(20),
///         ran: Placement::Lane,
///         queued: Some(Duration::from_micros(5)),
///     });
/// }
/// assert_eq!(route.place(none), Placement::Loop);
/// assert_eq!(route.report().last_move.unwrap().reason, "first 3 runs within budget");
/// ```
pub struct Route {
    id: u32,
    app: u32,
    kind: Kind,
    pin: Pin,
    rules: Rules,
    /// [`Rules::clean_limit`], which would have to be worked out for each request.
    clean: Duration,
    verdicts: [AtomicU64; SizeBucket::COUNT],
    method: Box<str>,
    pattern: Box<str>,
    shared: Arc<Shared>,
    /// What gave it its place last, and how long after the table was made.
    last_move: Mutex<Option<(Move, Duration)>>,
    flow: OnceLock<Arc<Flow>>,
    probes: OnceLock<Arc<Flow>>,
    patience: OnceLock<Duration>,
    pub(super) record: Arc<Record>,
    /// What event loops had tallied of the route that had this identifier before.
    tallied_before: Tallied,
}

/// So many requests of a body size count as probes. Errors count, too, or a flood of bad requests would be one of probes.
const PROBES: u64 = 16;

/// Whether a route stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is one method and one pattern.
    Single,
    /// It stands for all routes that found no room in the table, so what one of them costs says nothing of the next.
    Overflow,
}

impl Route {
    pub(super) fn new(
        id: u32,
        (app, method, pattern): Name,
        kind: Kind,
        kept: Option<Kept>,
        shared: Arc<Shared>,
    ) -> Self {
        let (verdicts, record) = match kept {
            Some(Kept {
                verdicts, record, ..
            }) => (verdicts, record),
            None => Default::default(),
        };
        Self {
            id,
            app,
            kind,
            pin: Pin::default(),
            rules: shared.rules,
            clean: shared.rules.clean_limit(),
            verdicts: verdicts.map(|verdict| AtomicU64::new(verdict.to_bits())),
            method,
            pattern,
            tallied_before: shared.tallies.sum(id),
            shared,
            last_move: Mutex::default(),
            flow: OnceLock::new(),
            probes: OnceLock::new(),
            patience: OnceLock::new(),
            record,
        }
    }

    /// A number that no other route has that is in the table.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The app it belongs to.
    #[must_use]
    pub fn app(&self) -> u32 {
        self.app
    }

    /// Its method, or `(other)` if it stands for all that found no room in the table.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Its resource pattern, or `(other)` if it stands for all that found no room in the table.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Where a request of that body size runs. Takes a few nanoseconds: two relaxed loads.
    #[must_use]
    #[inline]
    pub fn place(&self, bucket: SizeBucket) -> Placement {
        if let Some(placement) = self.pin.place() {
            return placement;
        }
        if self.kind == Kind::Overflow && self.rules.policy == Policy::Learned {
            return Placement::Lane;
        }
        self.verdict(bucket).placement(&self.rules)
    }

    /// Takes a run in.
    ///
    /// Never waits. Event loops use [`LoopTally::observe`](super::LoopTally::observe), which spares them from writing
    /// to this shared route for each light request.
    pub fn observe(&self, bucket: SizeBucket, observation: Observation) {
        let Observation { cost, ran, queued } = observation;
        let before = self.record.count_run(bucket, &observation);
        self.record.sketch(bucket, cost, 1, queued);
        if ran == Placement::Lane {
            self.record.expect(bucket, cost);
        }
        if self.is_held() {
            return;
        }
        self.update(bucket, |verdict| verdict.observe(cost, ran, &self.rules));
        let clean = ran == Placement::Loop && self.rules.grade(cost) == Grade::Clean;
        if clean && before.is_multiple_of(u64::from(SAMPLE)) {
            self.update(bucket, |verdict| (verdict.credit(SAMPLE), None));
        }
    }

    /// Takes in a run that ended in an error.
    ///
    /// A request that was turned away cheaply says nothing about one that is served, and if it counted, anybody could
    /// bring a heavy route onto the event loops by a handful of bad requests. So it is only counted, unless it was over
    /// the budget, which is as heavy as any.
    pub fn observe_error(&self, bucket: SizeBucket, observation: Observation) {
        if matches!(
            self.rules.grade(observation.cost),
            Grade::Over | Grade::Slow
        ) {
            return self.observe(bucket, observation);
        }
        self.count_run(bucket, observation);
    }

    /// Counts a run and learns nothing from it: part of its cost is not known, because the kernel may have set its thread
    /// aside meanwhile. What is known of the cost counts among what all runs took.
    pub fn count_run(&self, bucket: SizeBucket, observation: Observation) {
        self.record.count_run(bucket, &observation);
    }

    /// Pins the route to a place, whatever it costs. What it costs is still measured.
    ///
    /// [`PinSource::Configuration`] wins over [`PinSource::Attribute`]; a pin of the same source replaces the one
    /// before. Under a fixed [`Policy`] pins by attribute count for nothing. A route that stands for all that found
    /// no room in the table can't be pinned. Cheap if nothing changes, so it may be called for each request.
    pub fn pin(&self, placement: Placement, source: PinSource) {
        let overruled = source == PinSource::Attribute && self.rules.policy != Policy::Learned;
        if overruled || self.kind == Kind::Overflow || self.pin.load() == Some((placement, source))
        {
            return;
        }
        let from = self.placement();
        if self.pin.set(placement, source) {
            self.announce(Move {
                from,
                to: placement,
                reason: Reason::Pinned(source),
            });
        }
    }

    /// A request that looked like one of this route was another's, which belongs on a lane: something between the server and the
    /// route decides that cannot be foreseen, such as a middleware that changes the path.
    ///
    /// From now on what looks like this route's runs on lanes, pinned or not, until enough in a row [were](Self::confirm): 16 at
    /// first, and four times as many each time that it happens again, up to 4,096.
    pub fn doubt(&self) {
        if self.kind == Kind::Overflow {
            return;
        }
        let from = self.placement();
        if self.pin.doubt() && from != Placement::Lane {
            self.announce(Move {
                from,
                to: Placement::Lane,
                reason: Reason::Mistaken,
            });
        }
    }

    /// A request that looked like one of this route was. One relaxed load, unless it is in [doubt](Self::doubt).
    pub fn confirm(&self) {
        let Some(runs) = self.pin.confirm() else {
            return;
        };
        let to = self.placement();
        if to != Placement::Lane {
            self.announce(Move {
                from: Placement::Lane,
                to,
                reason: Reason::OwnRuns { runs },
            });
        }
    }

    /// Among whose jobs its requests are counted for a fair share of the lanes: a flow of its own.
    pub fn flow(&self) -> &Arc<Flow> {
        self.flow.get_or_init(Flow::unnamed)
    }

    /// The flow of the first few requests of a body size, while it is open whether they are light; `None` after that.
    ///
    /// It comes before all others, because a route that turns out to be light leaves the lanes for good and should not have
    /// to wait behind heavy ones for that. What is heavy proves it with its first run.
    pub fn probes(&self, bucket: SizeBucket) -> Option<&Arc<Flow>> {
        // A route that was light so far is not yet known to be, and goes on to come before those that may be anything.
        let light_so_far = |cost| matches!(self.rules.grade(cost), Grade::Clean | Grade::Edge);
        let open = self.record.expected_cost(bucket).is_none_or(light_so_far)
            && self.verdict(bucket).known().is_none()
            && self.record.lane_runs(bucket) < PROBES;
        open.then(|| {
            self.probes
                .get_or_init(|| Flow::new(Weight::default(), Rank::High))
        })
    }

    /// What its runs on lanes cost of late, of the dearest body size; `None` if there were none.
    pub(crate) fn usual_lane_cost(&self) -> Option<Duration> {
        SizeBucket::all()
            .filter_map(|bucket| self.record.expected_cost(bucket))
            .max()
    }

    /// Gives it a flow of a certain weight and rank. False if it has a flow already, because it has run or was given one.
    pub fn set_flow(&self, flow: Arc<Flow>) -> bool {
        self.flow.set(flow).is_ok()
    }

    /// How long its requests may wait for a lane, if that was said.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.patience.get().copied()
    }

    /// Says how long its requests may wait for a lane. False if that was said before.
    pub fn set_patience(&self, patience: Duration) -> bool {
        self.patience.set(patience).is_ok()
    }

    /// What a request with a body of that size will probably cost on a lane, or `None` if none has run there yet.
    ///
    /// It is a moving average of the runs on lanes; the newest counts an eighth.
    #[must_use]
    pub fn expected_cost(&self, bucket: SizeBucket) -> Option<Duration> {
        self.record.expected_cost(bucket)
    }

    /// Who pinned it, if anybody did.
    #[must_use]
    pub fn pinned_by(&self) -> Option<PinSource> {
        self.pin.load().map(|(_, source)| source)
    }

    /// Counts a run that ended in a panic.
    pub fn count_panic(&self) {
        self.record.panics.fetch_add(1, Relaxed);
    }

    /// Counts a request that was turned away.
    pub fn count_refused(&self, why: Refusal) {
        self.record.refused[why.index()].fetch_add(1, Relaxed);
    }

    /// Counts a request whose client left before it was answered.
    pub fn count_cancelled(&self) {
        self.record.cancelled.fetch_add(1, Relaxed);
    }

    /// How long its runs on lanes took by [`BOUNDS`](crate::event_loop::BOUNDS), and how long they had waited.
    #[cfg(feature = "metrics")]
    pub(crate) fn lane_times(&self) -> (&PollTimes, &PollTimes) {
        (&self.record.run_times, &self.record.queue_times)
    }

    /// How many of its requests were turned away for that reason.
    #[cfg(feature = "metrics")]
    pub(crate) fn refused(&self, why: Refusal) -> u64 {
        self.record.refused[why.index()].load(Relaxed)
    }

    /// How often it changed sides, by the index of the reason.
    #[cfg(feature = "metrics")]
    pub(crate) fn moves_by(&self, reason: usize) -> u64 {
        self.record.moves_by[reason].load(Relaxed)
    }

    /// What gave it its place last, if anything did, and how long ago. Waits for whoever notes one, so it is for reports only.
    pub(super) fn last_move(&self) -> Option<(Move, Duration)> {
        let last = self
            .last_move
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.map(|(moved, at)| (moved, self.shared.started.elapsed().saturating_sub(at)))
    }

    /// Notes what gave it its place, or leaves that out if a report is at it: it may be an event loop that asks (T1).
    fn note_move(&self, moved: Move, at: Duration) {
        if let Ok(mut last) = self.last_move.try_lock() {
            *last = Some((moved, at));
        }
    }

    /// Where it runs, in one word for a display: on a lane if any body size that was met so far does.
    #[must_use]
    pub fn placement(&self) -> Placement {
        // What only event loops tallied need not be summed up: its verdict is known, or all body sizes run in one place.
        let met = |bucket: &SizeBucket| {
            self.verdict(*bucket).known().is_some() || self.record.has_run(*bucket)
        };
        let places = SizeBucket::all()
            .filter(met)
            .map(|bucket| self.place(bucket));
        places
            .reduce(|one, other| if one == Placement::Lane { one } else { other })
            .unwrap_or_else(|| self.place(SizeBucket::of(BodySize::Known(0))))
    }

    pub(super) fn is_overflow(&self) -> bool {
        self.kind == Kind::Overflow
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    pub(super) fn verdict(&self, bucket: SizeBucket) -> Verdict {
        Verdict::from_bits(self.verdicts[bucket.index()].load(Relaxed))
    }

    /// Whether a run need only be counted, because it can't change anything (T2).
    #[inline]
    pub(super) fn only_counts(&self, bucket: SizeBucket, observation: &Observation) -> bool {
        observation.ran == Placement::Loop
            && observation.cost <= self.clean
            && (self.is_held() || self.verdict(bucket).is_settled(&self.rules))
    }

    /// Looks at one of [`SAMPLE`] runs that were only counted.
    #[cold]
    pub(super) fn sample(&self, bucket: SizeBucket, cost: Duration) {
        self.record.sketch(bucket, cost, SAMPLE, None);
        if !self.is_held() {
            self.update(bucket, |verdict| (verdict.credit(SAMPLE), None));
        }
    }

    /// Takes over what an earlier process learned, unless this one knows better already.
    pub(super) fn restore(&self, bucket: SizeBucket, kept: Verdict) -> bool {
        let word = &self.verdicts[bucket.index()];
        let known = |bits| Verdict::from_bits(bits).known().is_some();
        let from = self.placement();
        let restored = word
            .fetch_update(Relaxed, Relaxed, |bits| {
                (!known(bits)).then(|| kept.to_bits())
            })
            .is_ok();
        if restored && !self.is_held() && self.rules.policy == Policy::Learned {
            let moved = Move {
                from,
                to: self.placement(),
                reason: Reason::LoadedFromProfile,
            };
            self.note_move(moved, self.shared.started.elapsed());
        }
        restored
    }

    /// How often it ran, everywhere together.
    pub(super) fn runs(&self) -> Runs {
        self.record.runs(&self.tallied())
    }

    fn tallied(&self) -> Tallied {
        let tallied = self.shared.tallies.sum(self.id);
        tallied.since(&self.tallied_before)
    }

    pub(crate) fn name(&self) -> Name {
        (self.app, self.method.clone(), self.pattern.clone())
    }

    pub(super) fn verdicts(&self) -> Verdicts {
        std::array::from_fn(|index| Verdict::from_bits(self.verdicts[index].load(Relaxed)))
    }

    /// What the route has counted, for when it leaves the table.
    pub(super) fn take_record(&self) -> Arc<Record> {
        self.record.close(&self.tallied());
        Arc::clone(&self.record)
    }

    pub(super) fn forget_attribute(&self) {
        self.pin.clear(PinSource::Attribute);
    }

    /// Whether the model has no say, so that verdicts stay as they are.
    fn is_held(&self) -> bool {
        self.kind == Kind::Overflow || self.pin.load().is_some()
    }

    fn update(&self, bucket: SizeBucket, next: impl Fn(Verdict) -> (Verdict, Option<Move>)) {
        let word = &self.verdicts[bucket.index()];
        let mut bits = word.load(Relaxed);
        loop {
            let (verdict, moved) = next(Verdict::from_bits(bits));
            if verdict.to_bits() == bits {
                return;
            }
            match word.compare_exchange_weak(bits, verdict.to_bits(), Relaxed, Relaxed) {
                Ok(_) => {
                    if let Some(moved) = moved {
                        self.announce(moved);
                    }
                    return;
                }
                Err(newer) => bits = newer,
            }
        }
    }

    #[cold]
    fn announce(&self, moved: Move) {
        let now = self.shared.started.elapsed();
        // Also where a first judgement confirms the place that it had: it is why the route is there.
        self.note_move(moved, now);
        if !moved.changes_place() {
            return;
        }
        self.record.moves.fetch_add(1, Relaxed);
        self.record.moves_by[moved.reason.index()].fetch_add(1, Relaxed);
        if moved.reason == Reason::Pinned(PinSource::Configuration) {
            // Those who wrote it know it, and it would be the first thing in every log.
            tracing::debug!(target: "offload", app = self.app, route = %self, to = %moved.to, "a route is pinned");
            return;
        }
        self.shared.moves.push(self.id, moved, now);
        // T3: no caller holds a lock.
        tracing::info!(
            target: "offload",
            app = self.app,
            route = %self,
            from = %moved.from,
            to = %moved.to,
            reason = %moved.reason,
            "a route moves",
        );
    }
}

/// The method and the pattern.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("id", &self.id)
            .field("app", &self.app)
            .field("method", &self.method)
            .field("pattern", &self.pattern)
            .finish_non_exhaustive()
    }
}
