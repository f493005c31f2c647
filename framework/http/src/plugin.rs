//! What all threads and apps of one plugin share: the lanes, the routes, the watch.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use offload_core::{
    Lanes, LanesBuilder,
    event_loop::EventLoops,
    placement::{Placement, Rules},
    profile::ProfileError,
    rehearse_threads,
    routes::{PinSource, RouteTable},
    stall::{Stall, StallWatch, StallWatchBuilder},
};

use crate::{
    app::App,
    drain::Underway,
    error::BuildError,
    keeper::Keeper,
    mode::Mode,
    numbers::{Number, Numbers},
    serving::Serving,
    unrouted::Unrouted,
};

/// The thread of the stall watch. It does without the one that reads what names functions.
const WATCHES: usize = 1;

/// The thread that saves the profile.
const KEEPERS: usize = 1;

/// The settings of a [`Plugin`]; an [`OffloadBuilder`](crate::OffloadBuilder) checks and makes them.
#[derive(Debug)]
#[must_use]
pub struct Settings {
    /// The lanes.
    pub lanes: LanesBuilder,
    /// The cost model.
    pub rules: Rules,
    /// How much of the plugin is at work.
    pub mode: Mode,
    /// Where routes run whatever they cost, in every app.
    pub pins: Vec<Pin>,
    /// How routes are served on the lanes, in every app.
    pub served: Vec<Served>,
    /// Finds what blocks; `None`: nobody looks.
    pub stall_watch: Option<StallWatchBuilder>,
    /// Keeps what was learned.
    pub profile: Option<PathBuf>,
    /// The request header by which clients say how many milliseconds they wait.
    pub deadline_header: Option<String>,
    /// Whether responses say where they were made.
    pub server_timing: bool,
    /// How many bytes of request bodies may be read ahead of their handlers, for adapters that do so.
    pub read_ahead: u64,
}

/// A route and where it runs, whatever it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its method.
    pub method: String,
    /// Its pattern, as the framework writes it.
    pub pattern: String,
    /// Where it runs.
    pub placement: Placement,
}

/// A route and how its requests are served on the lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its method.
    pub method: String,
    /// Its pattern, as the framework writes it.
    pub pattern: String,
    /// How it is served.
    pub serving: Serving,
}

/// The lanes of a process, and what is known of its routes. Clones share everything.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) lanes: Lanes,
    pub(crate) table: RouteTable,
    pub(crate) loops: EventLoops,
    pub(crate) unrouted: Unrouted,
    pub(crate) underway: Arc<Underway>,
    pub(crate) stalls: Option<StallWatch>,
    pub(crate) mode: Mode,
    pins: Vec<Pin>,
    served: Vec<Served>,
    numbers: Arc<Numbers>,
    /// How many apps there have been.
    apps: AtomicU64,
    profile: Option<Keeper>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lanes: Lanes::builder(),
            rules: Rules::default(),
            mode: Mode::default(),
            pins: Vec::new(),
            served: Vec::new(),
            stall_watch: Some(StallWatch::builder()),
            profile: None,
            deadline_header: None,
            server_timing: false,
            read_ahead: 64 << 20,
        }
    }
}

impl Plugin {
    /// Starts the lanes, the watch, and what keeps the profile.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if a setting of the lanes is wrong, or the system does not give what is needed.
    pub fn start(settings: Settings) -> Result<Self, BuildError> {
        Self::start_with(settings, 0, |lanes, _| Ok(lanes))
    }

    /// Starts with lanes that `equip` gives what an adapter needs on their threads. It may start so many `threads` of its own: they can be
    /// had when it is called.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and those of `equip`.
    pub fn start_with(
        settings: Settings,
        threads: usize,
        equip: impl FnOnce(LanesBuilder, &EventLoops) -> Result<LanesBuilder, BuildError>,
    ) -> Result<Self, BuildError> {
        let off = settings.mode == Mode::Off;
        let stall_watch = settings.stall_watch.filter(|_| !off);
        let profile = settings.profile.filter(|_| !off);
        let watches = if stall_watch.is_some() { WATCHES } else { 0 };
        let keepers = if profile.is_some() { KEEPERS } else { 0 };
        let threads = settings.lanes.thread_count()? + threads + watches + keepers;
        let rehearsed =
            rehearse_threads(threads).map_err(|none| BuildError::NoThreads(Box::new(none)))?;
        let mut rules = settings.rules;
        if let Some(policy) = settings.mode.policy() {
            rules.policy = policy;
        }
        let table = RouteTable::new(rules);
        let profile = profile.map(|path| Keeper::open(path, &table)).transpose()?;
        let loops = EventLoops::default();
        let lanes = equip(settings.lanes, &loops)?.build()?;
        let start = |watch: StallWatchBuilder| watch.routes(table.clone()).start(&loops);
        let stalls = stall_watch.map(start).transpose();
        let stalls = stalls.map_err(BuildError::StallWatch)?;
        drop(rehearsed);
        Ok(Self {
            shared: Arc::new(Shared {
                lanes,
                stalls,
                table,
                loops,
                profile,
                unrouted: Unrouted::default(),
                underway: Arc::default(),
                mode: settings.mode,
                pins: settings.pins,
                served: settings.served,
                numbers: Arc::default(),
                apps: AtomicU64::new(0),
            }),
        })
    }

    /// The routes of one more app, until it is dropped. The next one then has its number, and goes on with what was learned.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        let serial = self.shared.apps.fetch_add(1, Ordering::Relaxed) + 1;
        let app = App::new(Arc::clone(&self.shared), self.begin_app(), serial);
        for (method, pattern) in self.shared.named() {
            // So that it is found before any request has shown that there is such a route.
            app.open(method, pattern);
        }
        app
    }

    /// A number for one more app, whose routes are in the [table](Self::table) as far as settings name them; for adapters that find routes
    /// in their own way.
    #[must_use]
    pub fn begin_app(&self) -> Number {
        let Shared { table, .. } = &*self.shared;
        let number = self.shared.numbers.take();
        let app = number.get();
        table.begin_app(app);
        for pin in &self.shared.pins {
            let route = table.route(app, &pin.method, &pin.pattern);
            route.pin(pin.placement, PinSource::Configuration);
        }
        for served in &self.shared.served {
            let route = table.route(app, &served.method, &served.pattern);
            served.serving.apply(&route);
        }
        number
    }

    /// The lanes.
    #[must_use]
    pub fn lanes(&self) -> &Lanes {
        &self.shared.lanes
    }

    /// The routes that were met so far, and those that are pinned.
    #[must_use]
    pub fn table(&self) -> &RouteTable {
        &self.shared.table
    }

    /// The threads that have served requests, other than the lanes'.
    #[must_use]
    pub fn loops(&self) -> &EventLoops {
        &self.shared.loops
    }

    /// What tells the flows of requests apart whose routes are not known.
    #[must_use]
    pub fn unrouted(&self) -> &Unrouted {
        &self.shared.unrouted
    }

    /// What is under way on the lanes.
    #[must_use]
    pub fn underway(&self) -> &Arc<Underway> {
        &self.shared.underway
    }

    /// How much of the plugin is at work.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.mode
    }

    /// The routes that are pinned.
    #[must_use]
    pub fn pins(&self) -> &[Pin] {
        &self.shared.pins
    }

    /// The routes whose serving is set.
    #[must_use]
    pub fn served(&self) -> &[Served] {
        &self.shared.served
    }

    /// The watch, if there is one.
    #[must_use]
    pub fn stall_watch(&self) -> Option<&StallWatch> {
        self.shared.stalls.as_ref()
    }

    /// The latest stalls, at most 64, oldest first; also those that last.
    #[must_use]
    pub fn stalls(&self) -> Vec<Stall> {
        self.stall_watch().map_or_else(Vec::new, StallWatch::recent)
    }

    /// Writes what was learned to the profile file now. Does nothing without one.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] that names the file. What the file held before is left as it was.
    pub fn save_profile(&self) -> Result<(), ProfileError> {
        self.shared.profile.as_ref().map_or(Ok(()), Keeper::save)
    }
}

#[cfg(feature = "metrics")]
impl Plugin {
    /// Hands over what is measured to a recorder of the [`metrics`](offload_core::metrics) facade, under the names
    /// that are listed there: routes, lanes, event loops, stalls.
    #[must_use]
    pub fn metrics(&self) -> offload_core::metrics::Publisher {
        offload_core::metrics::Publisher::new(
            self.table().clone(),
            self.lanes().clone(),
            self.loops().clone(),
            self.stall_watch().cloned(),
        )
    }
}

impl Shared {
    /// The methods and patterns that settings name.
    fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        let pins = self.pins.iter().map(|pin| (&*pin.method, &*pin.pattern));
        let served = self.served.iter();
        pins.chain(served.map(|served| (&*served.method, &*served.pattern)))
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("lanes", &self.shared.lanes)
            .finish_non_exhaustive()
    }
}
