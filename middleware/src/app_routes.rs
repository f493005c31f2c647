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

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

use actix_http::{Method, Uri};
use actix_web::dev::{ResourceMap, Url};
use offload_core::{
    Lanes, Terms,
    routes::{Route, RouteTable},
};

#[cfg(feature = "live")]
use offload_core::{placement::Placement, routes::PinSource};

use crate::route_index::RouteIndex;

/// The label of what no resource pattern matches: default services and 404s.
pub(crate) const UNMATCHED: &str = "(unmatched)";

const METHODS: [&str; 10] = [
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "(extension)",
];

/// Methods outside of the standard share one place, because a client may invent any number of them.
fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::DELETE => 3,
        Method::HEAD => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => 9,
    }
}

/// Whether `method` is one that a route can be pinned by.
pub(crate) fn is_method(method: &str) -> bool {
    METHODS.contains(&method)
}

/// How much is known of an app's patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowledge {
    /// Only the patterns that were pinned by configuration.
    Pins,
    /// All patterns, or as many as could be learned where actix could not be asked.
    Full,
}

/// One published state of an app's patterns with a place for each of their routes.
pub(crate) struct Published {
    index: RouteIndex,
    knowledge: Knowledge,
    routes: Box<[OnceLock<Arc<Route>>]>,
    notes: Box<[AtomicU8]>,
}

/// A route has answered an upgrade request by an upgrade.
const UPGRADED: u8 = 1;
/// A route has answered an upgrade request by an ordinary response.
const DECLINED: u8 = 2;
/// A request that was predicted to be this route's was.
const KEPT: u8 = 4;
/// A request that was predicted to be this route's was another's: guards decide, which the index does
/// not know.
const DIVERTED: u8 = 8;

/// Which route a request is expected to have.
struct Prediction {
    slot: Slot,
    /// It follows from the path alone, not from a guess at what a middleware makes of the path.
    certain: bool,
}

/// Where a route stands in [`Published`].
pub(crate) type Slot = usize;

impl Published {
    fn new(index: RouteIndex, knowledge: Knowledge) -> Self {
        // One row of methods more than patterns: the last is for what no pattern matches.
        let places = (index.len() + 1) * METHODS.len();
        Self {
            index,
            knowledge,
            routes: (0..places).map(|_| OnceLock::new()).collect(),
            notes: (0..places).map(|_| AtomicU8::new(0)).collect(),
        }
    }

    /// The slot of a request, or `None` while its pattern is not known.
    pub(crate) fn slot(&self, method: &Method, uri: &Uri) -> Option<Slot> {
        self.predict(method, uri).map(|prediction| prediction.slot)
    }

    fn predict(&self, method: &Method, uri: &Uri) -> Option<Prediction> {
        let column = method_index(method);
        let (row, certain) = match self.index.find_uri(uri) {
            Some(pattern) => (pattern.index(), true),
            None if self.knowledge == Knowledge::Full => match self.row_of_normalised(uri.path()) {
                Some(row) => (row, false),
                None => (self.index.len(), true),
            },
            None => return None,
        };
        let slot = row * METHODS.len() + column;
        if self.is_diverted(slot) && certain && row < self.index.len() {
            return Some(self.predict_past_guards(column, uri));
        }
        Some(Prediction { slot, certain })
    }

    /// The first pattern of a path that is not known to leave this method to a later one.
    #[cold]
    fn predict_past_guards(&self, column: usize, uri: &Uri) -> Prediction {
        let url = Url::new(uri.clone());
        let slot_of = |row: usize| row * METHODS.len() + column;
        let found = self.index.find_where(url.path(), |pattern| {
            !self.is_diverted(slot_of(pattern.index()))
        });
        let row = found.map_or(self.index.len(), |pattern| pattern.index());
        Prediction {
            slot: slot_of(row),
            certain: true,
        }
    }

    /// Learns from a finished request whether its prediction was right, and says which slot it has.
    ///
    /// `actual` is the pattern that actix found, guards included; `refused` says that no handler
    /// took the request, in which case actix names a pattern by the path alone.
    pub(crate) fn settle(
        &self,
        method: &Method,
        uri: &Uri,
        actual: Option<&str>,
        refused: bool,
    ) -> Option<Slot> {
        loop {
            let Prediction { slot, certain } = self.predict(method, uri)?;
            let (_, predicted) = self.label(slot);
            let right = predicted == actual.unwrap_or(UNMATCHED);
            if refused || !certain {
                return Some(slot);
            }
            let note = if right { KEPT } else { DIVERTED };
            let before = self.notes[slot].fetch_or(note, Ordering::Relaxed);
            if right || before & KEPT != 0 || slot / METHODS.len() == self.index.len() {
                return Some(slot);
            }
            // Diverted for the first time: the next prediction passes this pattern by.
        }
    }

    /// Whether requests of this slot may be other routes' for reasons that cannot be foreseen, so
    /// that what was learned of it holds for none of them.
    pub(crate) fn is_uncertain(&self, slot: Slot) -> bool {
        let notes = self.notes[slot].load(Ordering::Relaxed);
        let unmatched = slot / METHODS.len() == self.index.len();
        notes & DIVERTED != 0 && (unmatched || notes & KEPT != 0)
    }

    /// Whether all requests that were predicted to be this slot's were others'.
    fn is_diverted(&self, slot: Slot) -> bool {
        self.notes[slot].load(Ordering::Relaxed) & (KEPT | DIVERTED) == DIVERTED
    }

    /// A middleware such as `NormalizePath` may still lead an unmatched path to a resource, so the
    /// spelling it would be given is tried. This only predicts a cost; it never changes an answer.
    #[cold]
    fn row_of_normalised(&self, path: &str) -> Option<usize> {
        let mut candidate = String::with_capacity(path.len() + 1);
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            candidate.push('/');
            candidate.push_str(segment);
        }
        let trimmed = self.index.find(&candidate);
        candidate.push('/');
        trimmed
            .or_else(|| self.index.find(&candidate))
            .map(|pattern| pattern.index())
    }

    pub(crate) fn route(&self, slot: Slot) -> Option<&Arc<Route>> {
        self.routes[slot].get()
    }

    /// Whether it is known how a route answers a request for an upgrade.
    pub(crate) fn has_shaken_hands(&self, slot: Slot) -> bool {
        self.notes[slot].load(Ordering::Relaxed) & (UPGRADED | DECLINED) != 0
    }

    /// Notes how a route answered an upgrade request.
    pub(crate) fn note_handshake(&self, slot: Slot, upgraded: bool) {
        let answer = if upgraded { UPGRADED } else { DECLINED };
        self.notes[slot].fetch_or(answer, Ordering::Relaxed);
    }

    fn label(&self, slot: Slot) -> (&'static str, &str) {
        let row = slot / METHODS.len();
        let pattern = self.index.patterns().nth(row).unwrap_or(UNMATCHED);
        (METHODS[slot % METHODS.len()], pattern)
    }
}

/// The routes of one app, shared by its event loops and the lanes.
pub(crate) struct AppRoutes {
    app: u32,
    table: RouteTable,
    /// Patterns that settings name, whether or not the app has them.
    declared: Vec<String>,
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
    ) -> Self {
        let declared = pinned.iter().cloned().chain(served).collect();
        let index = RouteIndex::from_patterns(pinned);
        let published = Published::new(index, Knowledge::Pins);
        for route in table.routes().iter().filter(|route| route.app() == app) {
            published.adopt(route);
        }
        Self {
            app,
            table,
            declared,
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
    }

    /// Lets routes go that are an earlier app's.
    fn keep_own(&self, published: &Published) {
        let patterns = published.index.patterns().chain([UNMATCHED]);
        let declared = self.declared.iter().map(String::as_str);
        let own: HashSet<&str> = patterns.chain(declared).collect();
        self.table
            .keep_only(self.app, |route| own.contains(route.pattern()));
    }

    fn publish(&self, index: RouteIndex) {
        let published = Published::new(index, Knowledge::Full);
        if published.index.is_complete() {
            self.keep_own(&published);
        }
        self.adopt_all(&published);
        *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl Published {
    fn adopt(&self, route: &Arc<Route>) {
        let row = if route.pattern() == UNMATCHED {
            Some(self.index.len())
        } else {
            self.index.patterns().position(|p| p == route.pattern())
        };
        let column = METHODS.iter().position(|m| *m == route.method());
        if let (Some(row), Some(column)) = (row, column) {
            let _ = self.routes[row * METHODS.len() + column].set(Arc::clone(route));
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

/// So many runs of a route are measured exactly after one that took long for a reason that is not known. Not only the next:
/// handlers that block do so now and then, when a cache misses.
const SUSPICION: u8 = u8::MAX;

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
