//! Knows the routes of one app: from a request's method and path to its learned state, before actix
//! has routed anything.
//!
//! The index of an app's patterns is built once, off the event loops where possible, from the first
//! response of any of its instances, and then published to every event loop. Until it is there, only
//! the routes that were pinned by configuration are known and everything else is unknown, hence runs
//! on a lane. Invariants:
//!
//! - R1: an event loop takes the `published` lock with `try_lock` only, and only when the generation
//!   has changed, so it never waits for a lane thread.
//! - R2: memory is bounded by patterns x methods; paths are never stored. Routes of an earlier app that had the number of
//!   this one leave the table once all patterns of this one are known, or at its end.

mod names;
mod pins;
mod published;

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use actix_web::dev::ResourceMap;
use offload_core::{
    Lanes, Terms,
    routes::{Route, RouteTable},
};

#[cfg(feature = "live")]
use offload_core::{placement::Placement, routes::PinSource};
use offload_http::decisions::SUSPICION;

use self::{names::pattern_named, published::Knowledge};
pub(crate) use self::{
    names::{UNMATCHED, named},
    pins::Pins,
    published::{Prediction, Published, Slot, Went},
};
use crate::route_index::RouteIndex;

/// The routes of one app, shared by its event loops and the lanes.
pub(crate) struct AppRoutes {
    app: u32,
    table: RouteTable,
    /// Patterns that settings name, whether or not the app has them.
    declared: Vec<String>,
    pins: Arc<Pins>,
    generation: AtomicU64,
    published: Mutex<Arc<Published>>,
    asked: AtomicBool,
}

impl AppRoutes {
    /// `pinned` are the patterns that must be known before the first request, `served` further ones that settings name.
    pub(crate) fn new(
        app: u32,
        table: RouteTable,
        pinned: Vec<String>,
        served: Vec<String>,
        pins: Arc<Pins>,
    ) -> Self {
        let declared = pinned.iter().cloned().chain(served).collect();
        let pinned = pinned.iter().map(|name| pattern_named(name).to_owned());
        let index = RouteIndex::from_patterns(pinned);
        pins.app_begins();
        let published = Published::new(index, Knowledge::Pins);
        for route in table.routes().iter().filter(|route| route.app() == app) {
            published.adopt(route);
        }
        Self {
            app,
            table,
            declared,
            pins,
            generation: AtomicU64::new(1),
            published: Mutex::new(Arc::new(published)),
            asked: AtomicBool::new(false),
        }
    }

    /// The present state. Not for event loops, which use [`LoopRoutes`].
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(
            &self
                .published
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The route at `slot`, made if this is the first request to it. Takes the table's lock.
    pub(crate) fn open(&self, published: &Published, slot: Slot) -> Arc<Route> {
        let route = published.routes[slot].get_or_init(|| {
            let (method, pattern) = published.label(slot);
            self.table.route(self.app, method, pattern)
        });
        Arc::clone(route)
    }

    /// Whether the patterns of the app still have to be learned.
    pub(crate) fn wants_map(&self) -> bool {
        !self.asked.load(Ordering::Relaxed)
    }

    /// Learns an app's patterns from the resource map of one of its instances, once.
    ///
    /// The text that has to be read may be long, so that part runs on a lane.
    pub(crate) fn learn(self: &Arc<Self>, map: &ResourceMap, lanes: &Lanes) {
        if self.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let text = RouteIndex::describe(map);
        let this = Arc::clone(self);
        let submitted = lanes.submit(&Terms::new(), move || match RouteIndex::from_description(&text) {
            Ok(index) => this.publish(index),
            Err(error) => {
                tracing::warn!(
                    target: "offload",
                    %error,
                    "the app's resource patterns could not be listed: routes are learned as they are met",
                );
                this.publish(RouteIndex::from_patterns(this.known_patterns()));
            }
        });
        match submitted {
            Ok(job) => job.detach(),
            // The lane is full: the next response asks again.
            Err(_) => self.asked.store(false, Ordering::Release),
        }
    }

    /// Pins the routes of `patterns` to the event loops, unless somebody pinned them already, and sees to it that they are
    /// known before their first request.
    #[cfg(feature = "live")]
    pub(crate) fn keep_on_loop<I>(&self, methods: &[&str], patterns: impl Fn() -> I)
    where
        I: Iterator<Item = &'static str>,
    {
        for pattern in patterns() {
            for method in methods {
                let route = self.table.route(self.app, method, pattern);
                // A full table gives one route for all that found no room.
                if route.pattern() == pattern && route.pinned_by().is_none() {
                    route.pin(Placement::Loop, PinSource::Configuration);
                }
            }
        }
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<String> = published.index.patterns().map(str::to_owned).collect();
        if published.knowledge == Knowledge::Full
            || patterns().all(|pattern| known.iter().any(|known| known == pattern))
        {
            self.adopt_all(&published);
            return;
        }
        known.extend(patterns().map(str::to_owned));
        let more = Published::new(RouteIndex::from_patterns(known), Knowledge::Pins);
        self.adopt_all(&more);
        *published = Arc::new(more);
        drop(published);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Takes in a pattern that a finished request had and the index lacks, which happens only where
    /// the patterns could not be listed. Bounded by the table's own bound.
    pub(crate) fn met(&self, pattern: &str) {
        let published = self.published();
        if published.knowledge == Knowledge::Pins
            || published.index.is_complete()
            || published.index.patterns().any(|known| known == pattern)
            || published.index.len() >= self.table.capacity()
        {
            return;
        }
        let mut patterns = self.known_patterns();
        patterns.push(pattern.to_owned());
        self.publish(RouteIndex::from_patterns(patterns));
    }

    fn known_patterns(&self) -> Vec<String> {
        let published = self.published();
        published.index.patterns().map(str::to_owned).collect()
    }

    /// Routes that were pinned, loaded from a profile or met before keep what they know.
    fn adopt_all(&self, published: &Published) {
        for route in self.table.routes() {
            if route.app() == self.app {
                published.adopt(&route);
            }
        }
    }

    /// The app has ended, and others may have its number from now on.
    pub(crate) fn end(&self) {
        let published = self.published();
        if published.knowledge == Knowledge::Full {
            self.keep_own(&published);
        }
        if !published.index.is_complete() {
            self.pins.app_stays_unknown();
        }
    }

    /// Lets routes go that are an earlier app's.
    fn keep_own(&self, published: &Published) {
        let patterns = published.index.patterns().map(named).chain([UNMATCHED]);
        let declared = self.declared.iter().map(String::as_str);
        let own: HashSet<&str> = patterns.chain(declared).collect();
        self.table
            .keep_only(self.app, |route| own.contains(route.pattern()));
    }

    fn publish(&self, index: RouteIndex) {
        let published = Published::new(index, Knowledge::Full);
        let complete = published.index.is_complete();
        if complete {
            self.keep_own(&published);
        }
        self.adopt_all(&published);
        let published = Arc::new(published);
        *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::clone(&published);
        self.generation.fetch_add(1, Ordering::Release);
        if complete {
            let has = |pattern: &str| published.row_named(pattern).is_some();
            self.pins.app_is_known(self.app, has);
        }
    }
}

/// An event loop's own view of an app's routes.
pub(crate) struct LoopRoutes {
    shared: Arc<AppRoutes>,
    generation: Cell<u64>,
    view: RefCell<Rc<View>>,
}

/// One published state together with this event loop's own notes on it.
pub(crate) struct View {
    pub(crate) published: Arc<Published>,
    /// How many runs of each route are still to be measured exactly.
    suspects: Box<[Cell<u8>]>,
}

impl View {
    fn new(published: Arc<Published>) -> Self {
        let suspects = published.routes.iter().map(|_| Cell::new(0)).collect();
        Self {
            published,
            suspects,
        }
    }

    /// Notes that the next runs of a route have to be measured exactly.
    pub(crate) fn suspect(&self, slot: Slot) {
        self.suspects[slot].set(SUSPICION);
    }

    /// Whether the next runs have to be.
    pub(crate) fn is_suspect(&self, slot: Slot) -> bool {
        self.suspects[slot].get() > 0
    }

    /// Whether this run has to be measured exactly.
    pub(crate) fn take_suspicion(&self, slot: Slot) -> bool {
        let left = self.suspects[slot].get();
        self.suspects[slot].set(left.saturating_sub(1));
        left > 0
    }
}

impl LoopRoutes {
    pub(crate) fn new(shared: Arc<AppRoutes>) -> Self {
        let generation = shared.generation.load(Ordering::Acquire);
        let published = shared.published();
        Self {
            shared,
            generation: Cell::new(generation),
            view: RefCell::new(Rc::new(View::new(published))),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<AppRoutes> {
        &self.shared
    }

    pub(crate) fn view(&self) -> Rc<View> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation.get() {
            self.refresh(generation);
        }
        Rc::clone(&self.view.borrow())
    }

    #[cold]
    fn refresh(&self, generation: u64) {
        // R1: whoever holds the lock is about to leave it; the old view serves until then.
        if let Ok(published) = self.shared.published.try_lock() {
            *self.view.borrow_mut() = Rc::new(View::new(Arc::clone(&published)));
            self.generation.set(generation);
        }
    }
}
