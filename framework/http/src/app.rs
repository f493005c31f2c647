//! One app's routes, and where its requests run.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;
use offload_core::{
    Terms,
    cost::{BodySize, SizeBucket},
    event_loop::Label,
    placement::Placement,
    routes::{Route, RouteTable},
};

use crate::{
    decisions::{SUSPICION, place_unknown},
    lane::Ticket,
    mode::Mode,
    numbers::Number,
    plugin::Shared,
    seat::Seat,
    terms::{self, Limits, RequestLine},
    visit::Visit,
};

/// The pattern under which requests are counted that no route of the app is for.
pub const UNMATCHED: &str = "(unmatched)";

/// The method under which those are counted that the standard does not name: clients make them up.
const EXTENSION: &str = "(extension)";

/// The name of the empty pattern, which would be none in a log.
pub const EMPTY: &str = "(empty)";

/// The methods by which routes are told apart. All that the standard does not name go by the last, because a client may invent any number of them.
pub const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", EXTENSION,
];

/// How long what has begun waits for a lane. Longer than any client.
const ENDLESS: Duration = Duration::from_secs(3_600);

/// What is known of a request when it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Its query.
    pub query: Option<&'a str>,
    /// Its route.
    pub route: RouteName<'a>,
    /// What it says of the size of its body.
    pub size: BodySize,
    /// How long its client waits, if it says so.
    pub deadline: Option<Duration>,
}

/// Which route a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteName<'a> {
    /// The app has it, under this pattern.
    Matched(&'a str),
    /// The client says so. It is a route once it was served, or has computed.
    Claimed(&'a str),
    /// None.
    Unmatched,
}

/// Where a request runs.
#[derive(Debug)]
pub enum Placed {
    /// On the thread that it has come to.
    Here(Visit),
    /// On a lane.
    Lane(Ticket),
}

/// The routes of one app.
pub struct App {
    pub(crate) shared: Arc<Shared>,
    number: Number,
    /// No other app of this plugin has it, though it may come to the same number.
    serial: u64,
    known: Mutex<Routes>,
    overflow: OnceLock<Arc<Known>>,
}

/// A route, and whether it is in doubt.
pub(crate) struct Known {
    pub(crate) route: Arc<Route>,
    suspicion: AtomicU8,
}

/// Routes by pattern. There are few methods of one.
#[derive(Default)]
pub(crate) struct Routes(HashMap<Box<str>, Vec<Arc<Known>>, RandomState>);

impl Routes {
    fn find(&self, method: &str, pattern: &str) -> Option<&Arc<Known>> {
        let methods = self.0.get(pattern)?;
        methods.iter().find(|known| known.route.method() == method)
    }

    fn insert(&mut self, known: Arc<Known>) {
        let pattern = known.route.pattern();
        match self.0.get_mut(pattern) {
            Some(methods) => methods.push(known),
            None => {
                self.0.insert(pattern.into(), vec![known]);
            }
        }
    }
}

impl Known {
    /// Notes that the next runs have to be measured exactly.
    pub(crate) fn suspect(&self) {
        self.suspicion.store(SUSPICION, Ordering::Relaxed);
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspicion.load(Ordering::Relaxed) > 0
    }

    /// Whether this run has to be measured exactly. Of two threads that ask at once one may count for nothing, which does no harm.
    pub(crate) fn take_suspicion(&self) -> bool {
        let left = self.suspicion.load(Ordering::Relaxed);
        if left > 0 {
            self.suspicion.store(left - 1, Ordering::Relaxed);
        }
        left > 0
    }
}

impl App {
    pub(crate) fn new(shared: Arc<Shared>, number: Number, serial: u64) -> Arc<Self> {
        Arc::new(Self {
            shared,
            number,
            serial,
            known: Mutex::default(),
            overflow: OnceLock::new(),
        })
    }

    /// Decides where a request runs. To be asked as late as can be, when it is first polled: of two hundred requests that come
    /// together all but the first then know what that one has shown.
    #[must_use]
    pub fn arrive(self: &Arc<Self>, arrival: &Arrival<'_>) -> Placed {
        let bucket = SizeBucket::of(arrival.size);
        let method = standard(arrival.method);
        let (known, claimed) = match arrival.route {
            RouteName::Matched(pattern) => (Some(self.open(method, pattern)), None),
            RouteName::Unmatched => (Some(self.open(method, UNMATCHED)), None),
            RouteName::Claimed(path) => match self.find(method, path) {
                Some(known) => (Some(known), None),
                None => (None, Some((method, Box::from(path)))),
            },
        };
        let placement = match &known {
            Some(known) => known.route.place(bucket),
            None => place_unknown(self.shared.table.rules()),
        };
        match placement {
            Placement::Loop => Placed::Here(Visit::new(Arc::clone(self), known, claimed, bucket)),
            Placement::Lane => {
                let line = RequestLine {
                    method: arrival.method,
                    path: arrival.path,
                    query: arrival.query,
                    bucket,
                };
                let limits = Limits {
                    longest_patience: self.shared.lanes.longest_patience(),
                    time_left: self.shared.underway.time_left(),
                    deadline: arrival.deadline,
                };
                let route = known.as_ref().map(|known| &known.route);
                let shared = &self.shared;
                let (terms, key) =
                    terms::of_request(&shared.lanes, &shared.unrouted, line, route, &limits);
                Placed::Lane(Ticket {
                    app: Arc::clone(self),
                    known,
                    claimed,
                    bucket,
                    key,
                    terms,
                    submitted: Instant::now(),
                    so_far: Duration::ZERO,
                    waiting: None,
                })
            }
        }
    }

    /// What has begun elsewhere goes on on a lane. It is not refused for what it would wait, because it was taken already.
    pub(crate) fn ticket_to_go_on(
        self: &Arc<Self>,
        known: &Arc<Known>,
        bucket: SizeBucket,
        so_far: Duration,
    ) -> Ticket {
        let route = &known.route;
        let mut terms = Terms::new().flow(route.flow()).patience(ENDLESS);
        if let Some(cost) = route.expected_cost(bucket) {
            terms = terms.cost(cost);
        }
        Ticket {
            app: Arc::clone(self),
            known: Some(Arc::clone(known)),
            claimed: None,
            bucket,
            key: offload_core::JobKey::default(),
            terms,
            submitted: Instant::now(),
            so_far,
            waiting: None,
        }
    }

    /// The route of that name, which the app has.
    pub(crate) fn open(&self, method: &str, pattern: &str) -> Arc<Known> {
        if let Some(known) = self.find(method, pattern).or_else(|| self.overflow()) {
            return known;
        }
        // Before the lock: what it logs is somebody else's code.
        let route = self.shared.table.route(self.number.get(), method, pattern);
        let found_room = (route.method(), route.pattern()) == (method, pattern);
        let known = Arc::new(Known {
            route,
            suspicion: AtomicU8::new(0),
        });
        if !found_room {
            return Arc::clone(self.overflow.get_or_init(|| known));
        }
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.find(method, pattern) {
            return Arc::clone(known); // Another thread was faster.
        }
        all.insert(Arc::clone(&known));
        known
    }

    /// What stands for all that found no room in the table, if some did.
    fn overflow(&self) -> Option<Arc<Known>> {
        self.overflow.get().map(Arc::clone)
    }

    /// The route of that name, if it was opened. Takes no lock if this thread has met it.
    fn find(&self, method: &str, pattern: &str) -> Option<Arc<Known>> {
        let seat = Seat::here(&self.shared);
        seat.routes_of(self.number.get(), self.serial, |mine| {
            if let Some(known) = mine.find(method, pattern) {
                return Some(Arc::clone(known));
            }
            let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let known = Arc::clone(all.find(method, pattern)?);
            mine.insert(Arc::clone(&known));
            Some(known)
        })
    }

    /// How much of the plugin is at work.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.mode
    }

    pub(crate) fn table(&self) -> &RouteTable {
        &self.shared.table
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The next app of this number goes on with what was learned of routes of the same names.
        self.shared.table.keep_only(self.number.get(), |_| false);
    }
}

pub(crate) fn label(known: Option<&Arc<Known>>) -> Label {
    Label::of(known.map(|known| &*known.route))
}

/// Whether a route can be named by this method.
pub(crate) fn is_method(method: &str) -> bool {
    METHODS.contains(&method)
}

/// The name that a pattern has in reports, logs and settings.
#[must_use]
pub fn named(pattern: &str) -> &str {
    if pattern.is_empty() { EMPTY } else { pattern }
}

fn standard(method: &str) -> &'static str {
    let named = METHODS.iter().find(|name| **name == method);
    named.copied().unwrap_or(EXTENSION)
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("number", &self.number.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Known").field(&self.route).finish()
    }
}
