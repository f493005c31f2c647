//! One event loop's own things, and one request's visit to it: what is measured and to whom it counts.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use actix_http::{StatusCode, Uri};
use actix_web::HttpRequest;
use offload_core::{
    Lanes,
    ambient::{self, Host},
    clock::{LoopClock, Reading, Stopwatch},
    cost::SizeBucket,
    event_loop::{EventLoop, Label},
    placement::Placement,
    routes::{LoopTally, PinSource, Route},
};
use offload_http::decisions::on_loop;

use crate::{
    app_routes::{LoopRoutes, Prediction, Slot, View, Went},
    core::Core,
};

/// What the services of one app share on one event loop.
pub(crate) struct LoopContext {
    pub(crate) core: Arc<Core>,
    pub(crate) routes: LoopRoutes,
    event_loop: Arc<EventLoop>,
    tally: LoopTally,
    clock: LoopClock,
    offload_met: Cell<bool>,
}

impl LoopContext {
    pub(crate) fn new(core: Arc<Core>, routes: LoopRoutes) -> Rc<Self> {
        let event_loop = core.loops.here();
        let tally = core.table.loop_tally();
        let clock = LoopClock::new(core.table.rules().budget);
        Rc::new(Self {
            core,
            routes,
            event_loop,
            tally,
            clock,
            offload_met: Cell::new(false),
        })
    }
}

impl Drop for LoopContext {
    fn drop(&mut self) {
        self.core.loops.leave(&self.event_loop);
    }
}

impl Host for LoopContext {
    fn lanes(&self) -> Option<Lanes> {
        Some(self.core.lanes.clone())
    }

    fn offload_met(&self) {
        self.offload_met.set(true);
    }
}

/// A request for an upgrade, from whose answer its route is known.
pub(crate) struct Handshake {
    pub(crate) view: Rc<View>,
    pub(crate) slot: Slot,
}

impl Handshake {
    pub(crate) fn answered(&self, upgraded: bool) {
        self.view.published.note_handshake(self.slot, upgraded);
    }
}

/// One request on its event loop.
#[derive(Clone)]
pub(crate) struct Visit {
    context: Rc<LoopContext>,
    view: Rc<View>,
    /// Whose run it is: who was expected, until it is known where actix went.
    slot: Option<Slot>,
    predicted: Option<Prediction>,
    path: PathAt,
    /// Nothing said that it would be that route's.
    mistaken: bool,
    offload_met: bool,
    bucket: SizeBucket,
    cost: Duration,
    suspect: bool,
    exact: bool,
    /// The request asks for one.
    upgrade: bool,
    /// It was answered, and not by an error.
    served: bool,
    /// What had been counted as a run, and to whom, when it was found heavy before it ended.
    told: Option<(Option<Slot>, Duration)>,
}

impl Visit {
    pub(crate) fn new(
        context: Rc<LoopContext>,
        view: Rc<View>,
        predicted: Option<Prediction>,
        uri: &Uri,
        bucket: SizeBucket,
        upgrade: bool,
    ) -> Self {
        let slot = predicted.map(|predicted| predicted.slot);
        // A run that looked dear, but may only have been set aside by the kernel, is followed by some
        // that are measured exactly.
        let exact = slot.is_some_and(|slot| view.take_suspicion(slot));
        Self {
            context,
            view,
            slot,
            predicted,
            path: PathAt::of(uri),
            mistaken: false,
            offload_met: false,
            bucket,
            cost: Duration::ZERO,
            suspect: false,
            exact,
            upgrade,
            served: false,
            told: None,
        }
    }

    /// Learns from the answer to an upgrade request whether its route does upgrade.
    pub(crate) fn answered(&self, upgraded: bool) {
        if self.upgrade
            && let (Some(slot), Some(predicted)) = (self.slot, self.predicted)
        {
            // Also where it was expected, or such a request would come here again and again.
            for slot in [slot, predicted.slot] {
                self.view.published.note_handshake(slot, upgraded);
            }
        }
    }

    /// Takes in which request the app has answered in the end, which a middleware may have led to another route than its path.
    pub(crate) fn went(&mut self, request: &HttpRequest, status: StatusCode) {
        self.served = !status.is_client_error() && !status.is_server_error();
        let Some(predicted) = self.predicted else {
            return;
        };
        let changed = self.path != PathAt::of(request.uri());
        let dear = self.cost > self.budget();
        // Nearly always. Guards may have decided, but then this one was as light as those that it looks like.
        if !changed && !dear && !predicted.guess {
            return;
        }
        let published = &self.view.published;
        let found; // A string is made only for those that are not light.
        let pattern = if dear {
            found = request.match_pattern();
            found.as_deref()
        } else {
            published.pattern_of(request.uri())
        };
        let settled = published.settle(predicted, &Went::to(pattern, changed, status));
        self.slot = Some(settled.slot);
        self.mistaken = settled.mistaken;
        if published.route(settled.slot).is_none() {
            // Once per route.
            let routes = self.context.routes.shared();
            routes.open(published, settled.slot);
        }
    }

    /// What the request has cost so far.
    pub(crate) fn cost(&self) -> Duration {
        self.cost
    }

    pub(crate) fn core(&self) -> &Core {
        &self.context.core
    }

    pub(crate) fn context(&self) -> &LoopContext {
        &self.context
    }

    /// Runs one poll of the request and says what it cost.
    pub(crate) fn measured<T>(&self, poll: impl FnOnce() -> T) -> (T, Reading) {
        let host: Rc<dyn Host> = Rc::clone(&self.context) as _;
        let _here = ambient::enter(host);
        let context = &*self.context;
        let mark = context.clock.start();
        context.event_loop.begin(&mark, self.label());
        let exact = self.is_exact().then(Stopwatch::start);
        let polled = poll();
        let exact = exact.map(|watch| Reading::Cost(watch.cost()));
        let measured = context.clock.stop(mark);
        context.event_loop.end(&measured);
        (polled, exact.unwrap_or(measured.reading))
    }

    /// Whether this poll is to be measured exactly: what has shown itself in doubt meanwhile is so for those that began before, too.
    fn is_exact(&self) -> bool {
        self.exact || self.slot.is_some_and(|slot| self.view.is_suspect(slot))
    }

    /// Whether what has begun here takes turns with others, because its route runs on lanes by now.
    pub(crate) fn is_paced(&self) -> bool {
        self.route()
            .is_some_and(|route| route.place(self.bucket) == Placement::Lane)
    }

    /// Whether a poll has kept the loop for longer than a light request may, or may have.
    pub(crate) fn is_heavy(&self, reading: Reading) -> bool {
        match reading {
            Reading::Cost(cost) => cost > self.budget(),
            Reading::Suspect { .. } => true,
        }
    }

    /// Has a run count that is heavy already, though it may not have ended: others come meanwhile.
    ///
    /// It counts again if it turns out to be slow, or another route's, or heavy once more when its route has become light meanwhile.
    pub(crate) fn tell(&mut self) {
        let rules = self.core().table.rules();
        let is_slow = |cost| rules.is_slow(cost);
        let is_news = self.told.is_none_or(|(slot, before)| {
            let again = self.cost - before > rules.budget && !self.is_paced();
            slot != self.slot || is_slow(self.cost) && (!is_slow(before) || again)
        });
        if self.cost > rules.budget && is_news {
            self.told = Some((self.slot, self.cost));
            self.observe(self.cost);
        }
    }

    /// Takes a poll of the handler into account.
    pub(crate) fn polled(&mut self, reading: Reading) {
        self.suspect |= matches!(reading, Reading::Suspect { .. });
        let cost = self.surely(reading);
        self.cost += cost;
        self.offload_met |= self.context.offload_met.take();
    }

    /// Takes a poll of the body into account; a heavy chunk freezes a loop as a heavy handler does,
    /// so it counts as a run of its own.
    pub(crate) fn body_polled(&self, reading: Reading) {
        let cost = self.surely(reading);
        if cost > self.budget() {
            self.observe(cost);
            if self.mistaken {
                self.doubt();
            }
        }
    }

    /// The handler has answered.
    #[inline]
    pub(crate) fn finished(&mut self) {
        self.context.event_loop.count_request();
        if self.suspect {
            // The route that it really had, too.
            self.suspect_next();
        }
        if self.cost > self.budget() {
            // Whatever else is in doubt.
            self.tell();
        } else if !self.suspect && (self.served || !self.is_paced()) {
            // A cheap error does not show that a route is light which is not; see `Route::observe_error`.
            self.observe(self.cost);
        } else if let Some(route) = self.route() {
            route.count_run(self.bucket, on_loop(self.cost));
        }
        if self.offload_met
            && let Some(route) = self.route()
        {
            route.pin(Placement::Lane, PinSource::Attribute);
        }
        if self.mistaken {
            self.doubt();
        }
    }

    /// What this request looked like may be a lane's: the route that it was expected to have is no longer trusted.
    #[cold]
    fn doubt(&self) {
        let expected = |predicted: Prediction| self.view.published.route(predicted.slot);
        if let (Some(route), Some(expected)) = (self.route(), self.predicted.and_then(expected))
            && route.place(self.bucket) == Placement::Lane
        {
            expected.doubt();
        }
    }

    /// The request ends without an answer. What it has shown counts all the same.
    pub(crate) fn left(&mut self) {
        self.tell();
    }

    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.slot.and_then(|slot| self.view.published.route(slot))
    }

    #[inline]
    fn observe(&self, cost: Duration) {
        if let Some(route) = self.route() {
            let tally = &self.context.tally;
            tally.observe(route, self.bucket, on_loop(cost));
        }
    }

    fn suspect_next(&self) {
        if let Some(slot) = self.slot {
            self.view.suspect(slot);
        }
    }

    /// What a poll has cost for certain, which its event loop counts.
    #[inline]
    fn surely(&self, reading: Reading) -> Duration {
        let cost = match reading {
            Reading::Cost(cost) => cost,
            Reading::Suspect { at_least, .. } => {
                self.suspect_next();
                at_least
            }
        };
        self.context.event_loop.count_poll(cost, self.label());
        cost
    }

    fn budget(&self) -> Duration {
        self.core().table.rules().budget
    }

    #[inline]
    fn label(&self) -> Label {
        Label::of(self.route().map(|route| &**route))
    }
}

/// Where a path is in memory, which tells without a copy whether a middleware has put another one in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PathAt(*const u8, usize);

impl PathAt {
    fn of(uri: &Uri) -> Self {
        let path = uri.path();
        Self(path.as_ptr(), path.len())
    }
}
