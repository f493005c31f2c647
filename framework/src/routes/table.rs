//! Finds routes by name, within bounds.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    learned::{Learned, Verdicts},
    moves::LatestMoves,
    report::RouteMove,
    route::{Kind, Route},
    shared::{Name, Shared},
    tallies::Tallies,
    tally::LoopTally,
};
use crate::{event_loop::Label, placement::Rules};

/// The label of routes that found no room.
const OTHER: &str = "(other)";

/// All routes of a process, by the number of their app. Clones share everything.
///
/// An app that has ended may give its number to the next, which then begins with what is known of routes of the same name.
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

/// The identifiers of all that have one below the capacity, and of those that are free, are 0, 1, 2, … without a gap.
#[derive(Default)]
struct Routes {
    by_name: HashMap<Name, Arc<Route>>,
    overflow: HashMap<u32, Arc<Route>>,
    in_order: Vec<Arc<Route>>,
    /// The identifiers of those that have left.
    free: Vec<u32>,
    learned: Learned,
}

impl RouteTable {
    /// How many routes a table holds.
    const CAPACITY: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

    /// An empty table, for at most 10,000 routes.
    ///
    /// All further routes of one app share a route labelled `(other)`, which stays on the lane under
    /// [`Policy::Learned`](crate::placement::Policy::Learned). Of identifiers beyond the capacity there is one per app.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self::with_capacity(rules, Self::CAPACITY)
    }

    /// An empty table that holds at most so many routes.
    pub(super) fn with_capacity(rules: Rules, routes: NonZeroU32) -> Self {
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
    pub fn route(&self, app: u32, method: &str, pattern: &str) -> Arc<Route> {
        let mut routes = self.lock();
        let name = (app, method.into(), pattern.into());
        if let Some(route) = routes.by_name.get(&name) {
            return Arc::clone(route);
        }
        let known = routes.by_name.len();
        if known < self.shared.capacity {
            let id = routes.free.pop().unwrap_or(known as u32);
            let kept = routes.learned.take(&name);
            let shared = Arc::clone(&self.shared);
            let route = Arc::new(Route::new(id, name.clone(), Kind::Single, kept, shared));
            routes.by_name.insert(name, Arc::clone(&route));
            routes.in_order.push(Arc::clone(&route));
            return route;
        }
        if let Some(route) = routes.overflow.get(&app) {
            return Arc::clone(route);
        }
        let id = (self.shared.capacity + routes.overflow.len()) as u32;
        let name = (app, OTHER.into(), OTHER.into());
        let shared = Arc::clone(&self.shared);
        let route = Arc::new(Route::new(id, name, Kind::Overflow, None, shared));
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

    /// A new app has this number. Routes that an earlier one had keep what was learned and counted of them; what its
    /// attributes pinned is forgotten, because the new one's say it again.
    pub fn begin_app(&self, app: u32) {
        for route in self.routes_of(app) {
            route.forget_attribute();
        }
    }

    /// Lets those routes of an app leave that are not `its_own`, as those of an earlier app of that number.
    ///
    /// What was learned and counted of them is kept, of as many routes as the table may hold: they go on with it when they
    /// are met again, and it stays in what is [saved](Self::snapshot).
    pub fn keep_only(&self, app: u32, its_own: impl Fn(&Route) -> bool) {
        let mut foreign = self.routes_of(app);
        foreign.retain(|route| !route.is_overflow() && !its_own(route));
        if foreign.is_empty() {
            return;
        }
        let mut routes = self.lock();
        for route in &foreign {
            let name = route.name();
            // Somebody else may have been faster.
            if routes.by_name.remove(&name).is_some() {
                let most = self.shared.capacity;
                routes.free.push(route.id());
                routes
                    .learned
                    .keep(name, route.verdicts(), route.take_record(), most);
                self.shared.moves.forget(route.id());
            }
        }
        let gone = |route: &Arc<Route>| foreign.iter().any(|foreign| Arc::ptr_eq(foreign, route));
        routes.in_order.retain(|route| !gone(route));
    }

    fn routes_of(&self, app: u32) -> Vec<Arc<Route>> {
        let routes = self.lock();
        let its = routes.in_order.iter().filter(|route| route.app() == app);
        its.map(Arc::clone).collect()
    }

    /// What was learned of the routes that have left.
    pub(super) fn learned(&self) -> Vec<(Name, Verdicts)> {
        let routes = self.lock();
        let all = routes.learned.verdicts();
        all.map(|(name, verdicts)| (name.clone(), *verdicts))
            .collect()
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
