//! Finds routes by name, within bounds.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    moves::LatestMoves,
    report::RouteMove,
    route::{Kind, Route},
    tally::{LoopTally, Tallies},
};
use crate::{event_loop::Label, placement::Rules};

/// The label of routes that found no room.
const OTHER: &str = "(other)";

/// All routes of a process. Clones share everything.
///
/// # Examples
///
/// ```
/// use offload_core::{placement::Rules, routes::RouteTable};
///
/// let table = RouteTable::new(Rules::default());
/// let route = table.route(0, "GET", "/users/{id}");
/// assert_eq!(route.to_string(), "GET /users/{id}");
/// assert_eq!(table.route(0, "GET", "/users/{id}").id(), route.id());
/// assert_eq!(table.routes().len(), 1);
/// ```
#[derive(Clone)]
pub struct RouteTable {
    shared: Arc<Shared>,
    routes: Arc<Mutex<Routes>>,
}

/// What all routes of a table need.
pub(super) struct Shared {
    pub(super) rules: Rules,
    pub(super) capacity: usize,
    pub(super) started: Instant,
    pub(super) tallies: Tallies,
    pub(super) moves: LatestMoves,
}

#[derive(Default)]
struct Routes {
    by_name: HashMap<(u16, Box<str>, Box<str>), Arc<Route>>,
    overflow: HashMap<u16, Arc<Route>>,
    in_order: Vec<Arc<Route>>,
}

impl RouteTable {
    /// How many routes a table holds unless [`with_capacity`](Self::with_capacity) says otherwise.
    pub const DEFAULT_CAPACITY: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

    /// An empty table.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self::with_capacity(rules, Self::DEFAULT_CAPACITY)
    }

    /// An empty table that holds at most so many routes.
    ///
    /// All further routes of one app share a route labelled `(other)`, which stays on the lane under
    /// [`Policy::Learned`](crate::placement::Policy::Learned). Of identifiers beyond the capacity there is one per app.
    #[must_use]
    pub fn with_capacity(rules: Rules, routes: NonZeroU32) -> Self {
        let capacity = routes.get() as usize;
        Self {
            shared: Arc::new(Shared {
                rules,
                capacity,
                started: Instant::now(),
                tallies: Tallies::new(capacity),
                moves: LatestMoves::new(),
            }),
            routes: Arc::default(),
        }
    }

    /// The settings that it was made with.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    /// How many routes it holds at most, not counting one `(other)` per app.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// The route of that name, made if it is met for the first time. Takes a lock and allocates: for new patterns, not
    /// for each request.
    #[must_use]
    pub fn route(&self, app: u16, method: &str, pattern: &str) -> Arc<Route> {
        let mut routes = self.lock();
        let key = (app, method.into(), pattern.into());
        if let Some(route) = routes.by_name.get(&key) {
            return Arc::clone(route);
        }
        let met = routes.by_name.len();
        if met < self.shared.capacity {
            let route = self.make(met, (app, method, pattern), Kind::Single);
            routes.by_name.insert(key, Arc::clone(&route));
            routes.in_order.push(Arc::clone(&route));
            return route;
        }
        if let Some(route) = routes.overflow.get(&app) {
            return Arc::clone(route);
        }
        let id = self.shared.capacity + routes.overflow.len();
        let route = self.make(id, (app, OTHER, OTHER), Kind::Overflow);
        routes.overflow.insert(app, Arc::clone(&route));
        routes.in_order.push(Arc::clone(&route));
        drop(routes);
        tracing::warn!(
            target: "offload",
            app,
            capacity = self.shared.capacity,
            "the route table is full: further routes are not told apart",
        );
        route
    }

    /// All routes, in the order in which they were met.
    #[must_use]
    pub fn routes(&self) -> Vec<Arc<Route>> {
        self.lock().in_order.clone()
    }

    /// The latest moves of all routes, at most 64, oldest first. Takes locks and allocates: for reports.
    #[must_use]
    pub fn moves(&self) -> Vec<RouteMove> {
        let now = self.shared.started.elapsed();
        let moves = self.shared.moves.copy();
        let named = moves.into_iter().filter_map(|moved| {
            let route = self.numbered(moved.route)?;
            Some(RouteMove {
                id: moved.number,
                route: route.to_string(),
                from: moved.moved.from,
                to: moved.moved.to,
                reason: moved.moved.reason.to_string(),
                age_s: now.saturating_sub(moved.at).as_secs_f64(),
            })
        });
        named.collect()
    }

    /// The route of that label. Takes a lock: for reports.
    #[must_use]
    pub fn labelled(&self, label: Label) -> Option<Arc<Route>> {
        self.numbered(label.id()?)
    }

    fn numbered(&self, id: u32) -> Option<Arc<Route>> {
        let routes = self.lock();
        let met = routes.in_order.get(id as usize);
        // What found no room has a number beyond the capacity.
        let found = met
            .filter(|route| route.id() == id)
            .or_else(|| routes.in_order.iter().find(|route| route.id() == id));
        found.map(Arc::clone)
    }

    /// Counters for one event loop to own.
    #[must_use]
    pub fn loop_tally(&self) -> LoopTally {
        LoopTally::new(Arc::clone(&self.shared))
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn make(&self, id: usize, name: (u16, &str, &str), kind: Kind) -> Arc<Route> {
        Arc::new(Route::new(id as u32, name, kind, Arc::clone(&self.shared)))
    }

    fn lock(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteTable")
            .field("rules", &self.shared.rules)
            .field("capacity", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}
