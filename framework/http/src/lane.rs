//! A request that runs on a lane: its terms before, and what it costs there.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use offload_core::{
    Bill, CancelToken, JobKey, Lanes, Terms,
    ambient::{self, Host},
    clock::Stopwatch,
    cost::SizeBucket,
    placement::Placement,
    routes::{PinSource, Route},
};
use tracing::Span;

use crate::{
    answer::Answer,
    app::{App, Known, UNMATCHED, label},
    decisions::{self, on_lane},
    drain::Pass,
    panics::{self, PanicPayload},
    seat::Seat,
    spans::{Fate, Line, Running, Traced, Waiting},
    visit::{Claim, End},
};

/// What a request comes to the lanes with.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    pub(crate) app: Arc<App>,
    pub(crate) known: Option<Arc<Known>>,
    pub(crate) claimed: Option<Claim>,
    pub(crate) bucket: SizeBucket,
    pub(crate) key: JobKey,
    pub(crate) terms: Terms,
    pub(crate) submitted: Instant,
    /// What it has cost before it came here.
    pub(crate) so_far: Duration,
    /// If anybody listens.
    pub(crate) waiting: Option<Box<Waiting>>,
}

/// What whoever waits for a request on a lane keeps of it.
#[derive(Clone, Debug)]
pub struct Stub {
    known: Option<Arc<Known>>,
    fate: Option<Arc<Fate>>,
}

/// How long a request has waited for its lane, and how long it ran until it was answered.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// It waited for so long.
    pub queued: Duration,
    /// And ran for so long.
    pub ran: Duration,
}

/// One request on a lane, where it may be polled by one thread now and by another one next.
///
/// What it has shown counts, however it ends; also if it is dropped.
#[derive(Debug)]
#[must_use]
pub struct LaneVisit {
    app: Arc<App>,
    known: Option<Arc<Known>>,
    claimed: Option<Claim>,
    bucket: SizeBucket,
    key: JobKey,
    token: CancelToken,
    bill: Option<Bill>,
    queued: Duration,
    began: Instant,
    cost: Duration,
    /// How much of it was before.
    so_far: Duration,
    finished: bool,
    complete: bool,
    /// If anybody listens.
    spans: Option<Running>,
}

impl Ticket {
    /// The lanes.
    #[must_use]
    pub fn lanes(&self) -> &Lanes {
        &self.app.shared.lanes
    }

    /// The terms on which it comes.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Makes the spans of its wait and its run, inside of the one that `hook` makes, or else of the one that is current, or
    /// else of one of the plugin's own. To be called just before it is submitted, and before its [`stub`](Self::stub) is taken.
    pub fn trace(&mut self, line: Line<'_>, hook: Option<impl FnOnce() -> Span>) {
        let route = self.known.as_ref().map(|known| &known.route);
        let traced = Traced::of(line, route, hook);
        if traced.is_heard() {
            let waiting = traced.wait(&self.app.shared.underway, route);
            self.waiting = Some(Box::new(waiting));
        }
    }

    /// Counts it as under way until the pass is dropped. To be called before it is submitted.
    pub fn enter(&self) -> Pass {
        self.app.shared.underway.enter(())
    }

    /// What to keep while it is away.
    #[must_use]
    pub fn stub(&self) -> Stub {
        Stub {
            known: self.known.as_ref().map(Arc::clone),
            fate: self.waiting.as_ref().and_then(|waiting| waiting.fate()),
        }
    }

    /// It begins on the calling lane thread. To be called in the first poll of its job.
    pub fn begin(self) -> LaneVisit {
        let began = Instant::now();
        let route = self.known.as_ref().map(|known| &known.route);
        let spans = self.waiting.map(|waiting| waiting.begin(route));
        LaneVisit {
            queued: began - self.submitted,
            began,
            app: self.app,
            known: self.known,
            claimed: self.claimed,
            bucket: self.bucket,
            key: self.key,
            token: CancelToken::current(),
            bill: Bill::take_over(),
            cost: self.so_far,
            so_far: self.so_far,
            finished: false,
            complete: false,
            spans,
        }
    }
}

impl Stub {
    /// What its client is answered if it ended on its lane without an answer, which is counted.
    #[must_use]
    pub fn ended(&self, error: offload_core::Error) -> Answer {
        let route = self.known.as_ref().map(|known| &*known.route);
        match error.into_panic() {
            Ok(panic) => panics::answer(route, &*panic),
            Err(error) => {
                if let (Some(route), Some(why)) = (route, error.refusal()) {
                    route.count_refused(why);
                }
                Answer::of(&error)
            }
        }
    }

    /// It was submitted.
    pub fn submitted(&self) {
        if let Some(fate) = &self.fate {
            fate.taken(); // If it was refused, its spans are closed already.
        }
    }

    /// Nobody waits for it any more, which somebody else counts.
    pub fn given_up(&self) {
        if let Some(fate) = &self.fate {
            fate.cancelled();
        }
    }

    /// Its client has gone, or nobody reads the rest of its answer.
    pub fn left(&self) {
        self.given_up();
        if let Some(known) = &self.known {
            known.route.count_cancelled();
        }
    }
}

impl LaneVisit {
    /// Runs one poll of the handler: measured, and with its panic contained.
    ///
    /// # Errors
    ///
    /// What it panicked with.
    pub fn poll<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, PanicPayload> {
        let (polled, cost) = self.measured(work);
        self.cost += cost;
        polled
    }

    /// Runs one poll of the response's body likewise. A heavy chunk would freeze an event loop as a heavy handler does, so it
    /// counts as a run of its own.
    ///
    /// # Errors
    ///
    /// What it panicked with.
    pub fn poll_chunk<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, PanicPayload> {
        let (polled, cost) = self.measured(work);
        self.cost += cost;
        if cost > self.budget()
            && let Some(route) = self.route()
        {
            route.observe(self.bucket, on_lane(cost, None));
        }
        polled
    }

    /// The handler has answered.
    pub fn finish(&mut self, end: End) -> Timing {
        self.finished = true;
        let timing = Timing {
            queued: self.queued,
            ran: self.began.elapsed(),
        };
        if let Some((method, path)) = self.claimed.take() {
            let is_route = end.shows_a_route(self.cost, self.budget());
            let pattern = if is_route { &path } else { UNMATCHED };
            self.known = Some(self.app.open(method, pattern));
        }
        self.tell_route();
        decisions::count_on_lane(
            &self.app.shared.lanes,
            self.key,
            self.route().map(|route| &**route),
            self.bucket,
            on_lane(self.cost, Some(self.queued)),
            end != End::Served,
            self.budget(),
        );
        timing
    }

    /// What whoever waits for the rest keeps of it, with its route if that is known by now.
    #[must_use]
    pub fn stub(&self) -> Stub {
        Stub {
            known: self.known.as_ref().map(Arc::clone),
            fate: None,
        }
    }

    /// Its answer's head has this status, which its spans tell.
    pub fn answered(&self, status: u16) {
        if let Some(spans) = &self.spans {
            spans.answered(status);
        }
    }

    /// All of its answer has been given to whoever waits for it.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// Calls `work` inside of its spans.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.spans {
            Some(spans) => spans.in_scope(work),
            None => work(),
        }
    }

    /// Nothing but the making of a response's body moved here; the handler has ended elsewhere.
    pub fn only_makes(&mut self) {
        self.finished = true;
    }

    /// Its route, if that is known.
    #[must_use]
    pub fn route(&self) -> Option<&Arc<Route>> {
        self.known.as_ref().map(|known| &known.route)
    }

    fn measured<T>(&self, work: impl FnOnce() -> T) -> (Result<T, PanicPayload>, Duration) {
        self.in_scope(|| self.measured_inside(work))
    }

    fn measured_inside<T>(&self, work: impl FnOnce() -> T) -> (Result<T, PanicPayload>, Duration) {
        let seat = Seat::here(&self.app.shared);
        let entered = ambient::enter(Rc::clone(&seat) as Rc<dyn Host>);
        seat.event_loop.begin_now(label(self.known.as_ref()));
        let watch = Stopwatch::start();
        // A panic leaves the app's state as it would without the plugin, where the worker lives on too.
        let work = || catch_unwind(AssertUnwindSafe(work));
        let lanes = &self.app.shared.lanes;
        let outcome = lanes.attribute(self.key, || self.token.scope(work));
        let cost = watch.cost();
        seat.event_loop.end_now();
        drop(entered);
        if seat.take_offload_met()
            && let Some(route) = self.route()
        {
            route.pin(Placement::Lane, PinSource::Attribute);
        }
        (outcome, cost)
    }

    fn tell_route(&mut self) {
        let route = self.known.as_ref().map(|known| &known.route);
        if let Some(spans) = &mut self.spans {
            spans.routed(route);
        }
    }

    fn budget(&self) -> Duration {
        self.app.table().rules().budget
    }
}

impl Drop for LaneVisit {
    fn drop(&mut self) {
        // It might have cost more, but not less.
        if !self.finished && self.cost > self.budget() {
            if let Some((method, path)) = self.claimed.take() {
                // What computes for so long is no path that a client has made up.
                self.known = Some(self.app.open(method, &path));
            }
            self.app.shared.lanes.record(self.key, self.cost);
            if let Some(route) = self.route() {
                route.observe(self.bucket, on_lane(self.cost, Some(self.queued)));
            }
        }
        self.tell_route();
        if let Some(spans) = &self.spans {
            spans.ended(self.complete);
        }
        if let Some(bill) = self.bill.take() {
            bill.settle(self.cost.saturating_sub(self.so_far));
        }
    }
}
