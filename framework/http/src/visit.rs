//! A request that runs on the thread that it has come to: what it costs there, and to whom that counts.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use offload_core::{
    ambient::{self, Host},
    clock::{Reading, Stopwatch},
    cost::SizeBucket,
    placement::Placement,
    routes::{PinSource, Route},
};
use tracing::Span;

use crate::{
    app::{App, Known, label},
    decisions::on_loop,
    lane::Ticket,
    panics::PanicPayload,
    seat::Seat,
    spans::Line,
};

/// How a request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was answered, and not by an error.
    Served,
    /// It was answered by an error.
    Failed,
    /// Its handler panicked.
    Panicked,
}

impl End {
    /// Whether a request that cost so much, and ended so, shows that its route is one. Anybody can have an error for a path that
    /// there is not.
    pub(crate) fn shows_a_route(self, cost: Duration, budget: Duration) -> bool {
        self != Self::Failed || cost > budget
    }
}

/// A route's name before it is one: its method, and its path.
pub(crate) type Claim = (&'static str, Box<str>);

/// One request that runs where it is polled. It may be polled on one thread now and on another one next.
///
/// What it has shown counts, however it ends; also if it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Visit {
    app: Arc<App>,
    known: Option<Arc<Known>>,
    claimed: Option<Claim>,
    bucket: SizeBucket,
    cost: Duration,
    /// How much of it has been counted as a run already.
    told: Duration,
    suspect: bool,
    exact: bool,
    begun: bool,
    finished: bool,
    /// What the pieces of its body have cost that came in a row.
    in_a_row: Duration,
}

impl Visit {
    pub(crate) fn new(
        app: Arc<App>,
        known: Option<Arc<Known>>,
        claimed: Option<Claim>,
        bucket: SizeBucket,
    ) -> Self {
        // A run that looked dear, but may only have been set aside by the kernel, is followed by some
        // that are measured exactly.
        let exact = known.as_ref().is_some_and(|known| known.take_suspicion());
        Self {
            app,
            known,
            claimed,
            bucket,
            cost: Duration::ZERO,
            told: Duration::ZERO,
            suspect: false,
            exact,
            begun: false,
            finished: false,
            in_a_row: Duration::ZERO,
        }
    }

    /// Runs one poll of the handler: measured, and with its panic contained.
    ///
    /// # Errors
    ///
    /// What it panicked with.
    pub fn poll<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, PanicPayload> {
        self.begun = true;
        let (polled, reading, seat) = self.measured(work);
        let cost = self.surely(reading);
        self.suspect |= matches!(reading, Reading::Suspect { .. });
        self.cost += cost;
        seat.event_loop.count_poll(cost, self.label());
        // Others come meanwhile, so what is heavy counts before its end.
        if self.cost - self.told > self.budget() {
            if let Some((method, path)) = self.claimed.take() {
                // What computes is no path that a client has made up.
                self.known = Some(self.app.open(method, &path));
            }
            self.observe(&seat, self.cost - self.told);
            self.told = self.cost;
        }
        polled
    }

    /// Runs one poll of the response's body likewise. A heavy chunk counts as a run of its own.
    ///
    /// # Errors
    ///
    /// What it panicked with.
    pub fn poll_chunk<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, PanicPayload> {
        let (polled, reading, seat) = self.measured(work);
        let cost = self.surely(reading);
        self.in_a_row += cost;
        seat.event_loop.count_poll(cost, self.label());
        if cost > self.budget() {
            self.observe(&seat, cost);
        }
        polled
    }

    /// Whether the pieces of its body, light as each may be, have kept the thread for long since it [rested](Self::rested).
    #[must_use]
    pub fn should_rest(&self) -> bool {
        self.in_a_row > self.budget()
    }

    /// The thread has looked after others.
    pub fn rested(&mut self) {
        self.in_a_row = Duration::ZERO;
    }

    /// Whether it has begun here and its route is a lane's by now, so that it should go on there.
    #[must_use]
    pub fn should_move(&self) -> bool {
        self.begun && self.is_of_lane()
    }

    fn is_of_lane(&self) -> bool {
        self.route()
            .is_some_and(|route| route.place(self.bucket) == Placement::Lane)
    }

    /// With what it goes on on a lane; `None` if it is no known route's, or is polled by a job of a lane, which would wait for itself.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        let known = self.known.as_ref()?;
        if self.app.shared.lanes.is_current() {
            return None;
        }
        let mut ticket = self.app.ticket_to_go_on(known, self.bucket, self.cost);
        // Its head is the handler's by now, so no hook can be asked.
        let line = Line {
            method: known.route.method(),
            path: None,
        };
        ticket.trace(line, None::<fn() -> Span>);
        Some(ticket)
    }

    /// What it has cost so far.
    #[must_use]
    pub fn cost(&self) -> Duration {
        self.cost
    }

    /// Its route, if that is known.
    #[must_use]
    pub fn route(&self) -> Option<&Arc<Route>> {
        self.known.as_ref().map(|known| &known.route)
    }

    /// The handler has answered.
    pub fn finish(&mut self, end: End) {
        self.finished = true;
        if let Some((method, path)) = self.claimed.take()
            && end.shows_a_route(self.cost, self.budget())
        {
            self.known = Some(self.app.open(method, &path));
        }
        let seat = Seat::here(&self.app.shared);
        seat.event_loop.count_request();
        if self.told > Duration::ZERO {
            return;
        }
        if !self.suspect && (end == End::Served || !self.is_of_lane()) {
            self.observe(&seat, self.cost);
        } else if let Some(route) = self.route() {
            // A cheap error does not show that a route is light which is not; see `Route::observe_error`.
            route.count_run(self.bucket, on_loop(self.cost));
        }
    }

    /// It goes on on a lane, where it is measured further.
    pub fn moved(&mut self) {
        self.finished = true;
    }

    /// Its client has gone, or nobody reads the rest of its answer.
    pub fn left(&self) {
        if let Some(route) = self.route() {
            route.count_cancelled();
        }
    }

    fn measured<T>(
        &self,
        work: impl FnOnce() -> T,
    ) -> (Result<T, PanicPayload>, Reading, Rc<Seat>) {
        let seat = Seat::here(&self.app.shared);
        let entered = ambient::enter(Rc::clone(&seat) as Rc<dyn Host>);
        let mark = seat.clock.start();
        seat.event_loop.begin(&mark, self.label());
        // What has shown itself in doubt meanwhile is so for those that began before, too.
        let in_doubt = self.exact || self.known.as_ref().is_some_and(|known| known.is_suspect());
        let exact = in_doubt.then(Stopwatch::start);
        // A panic leaves the app's state as it would without the plugin, where the worker lives on too.
        let polled = catch_unwind(AssertUnwindSafe(work));
        let exact = exact.map(|watch| Reading::Cost(watch.cost()));
        let measured = seat.clock.stop(mark);
        seat.event_loop.end(&measured);
        drop(entered);
        // Of a body's chunk as well, or else the thread's next request would answer for it.
        if seat.take_offload_met()
            && let Some(route) = self.route()
        {
            route.pin(Placement::Lane, PinSource::Attribute);
        }
        (polled, exact.unwrap_or(measured.reading), seat)
    }

    /// What a poll has cost for certain.
    fn surely(&self, reading: Reading) -> Duration {
        match reading {
            Reading::Cost(cost) => cost,
            Reading::Suspect { at_least, .. } => {
                if let Some(known) = &self.known {
                    known.suspect();
                }
                at_least
            }
        }
    }

    fn observe(&self, seat: &Seat, cost: Duration) {
        let Some(route) = self.route() else { return };
        match &seat.tally {
            Some(tally) => tally.observe(route, self.bucket, on_loop(cost)),
            None => route.observe(self.bucket, on_loop(cost)),
        }
    }

    fn budget(&self) -> Duration {
        self.app.table().rules().budget
    }

    fn label(&self) -> offload_core::event_loop::Label {
        label(self.known.as_ref())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.left();
        // What is heavy was counted when it was polled.
        let rules = self.app.table().rules();
        if self.told.is_zero()
            && rules.is_slow(self.cost)
            && let Some(route) = self.route()
        {
            route.observe(self.bucket, on_loop(self.cost));
        }
    }
}
