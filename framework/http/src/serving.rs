//! What all threads and layers of one plugin share: the lanes, the routes, the watch.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use offload_core::{
    Lanes, LanesBuilder,
    event_loop::EventLoops,
    placement::{Placement, Rules},
    routes::{PinSource, RouteTable},
    stall::{StallWatch, StallWatchBuilder},
};

use crate::{app::App, unrouted::Unrouted};

/// The settings of a [`Serving`].
#[derive(Debug)]
#[must_use]
pub struct Settings {
    /// The lanes.
    pub lanes: LanesBuilder,
    /// The cost model.
    pub rules: Rules,
    /// Where routes run whatever they cost, in every app.
    pub pins: Vec<Pin>,
    /// Finds what blocks; `None`: nobody looks.
    pub stall_watch: Option<StallWatchBuilder>,
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

/// What cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The lanes.
    #[error("the lanes could not be started")]
    Lanes(#[from] offload_core::BuildError),
    /// The thread of the stall watch.
    #[error("the stall watch could not be started")]
    StallWatch(#[source] io::Error),
}

/// The lanes of a process, and what is known of its routes. Clones share everything.
#[derive(Clone)]
pub struct Serving {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) lanes: Lanes,
    pub(crate) table: RouteTable,
    pub(crate) loops: EventLoops,
    pub(crate) unrouted: Unrouted,
    stalls: Option<StallWatch>,
    pins: Vec<Pin>,
    numbers: Mutex<Numbers>,
}

/// The numbers of apps.
#[derive(Default)]
pub(crate) struct Numbers {
    given: u32,
    free: Vec<u32>,
    apps: u64,
}

impl Numbers {
    fn take(&mut self) -> (u32, u64) {
        self.apps += 1;
        let number = self.free.pop().unwrap_or_else(|| {
            self.given += 1;
            self.given - 1
        });
        (number, self.apps)
    }

    pub(crate) fn give_back(&mut self, number: u32) {
        self.free.push(number);
    }
}

impl Shared {
    pub(crate) fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lanes: Lanes::builder(),
            rules: Rules::default(),
            pins: Vec::new(),
            stall_watch: Some(StallWatch::builder()),
        }
    }
}

impl Serving {
    /// Starts the lanes and the watch.
    ///
    /// # Errors
    ///
    /// If a setting of the lanes is wrong, or the system gives no threads.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let lanes = settings.lanes.build()?;
        let table = RouteTable::new(settings.rules);
        let loops = EventLoops::default();
        let start = |watch: StallWatchBuilder| watch.routes(table.clone()).start(&loops);
        let stalls = settings.stall_watch.map(start).transpose();
        Ok(Self {
            shared: Arc::new(Shared {
                lanes,
                stalls: stalls.map_err(StartError::StallWatch)?,
                table,
                loops,
                unrouted: Unrouted::default(),
                pins: settings.pins,
                numbers: Mutex::default(),
            }),
        })
    }

    /// The routes of one more app, until it is dropped. The next one then has its number, and goes on with what was learned.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        let (number, serial) = self.shared.numbers().take();
        self.shared.table.begin_app(number);
        for pin in &self.shared.pins {
            let route = self.shared.table.route(number, &pin.method, &pin.pattern);
            route.pin(pin.placement, PinSource::Configuration);
        }
        let app = App::new(Arc::clone(&self.shared), number, serial);
        for pin in &self.shared.pins {
            // So that it is found before any request has shown that there is such a route.
            app.open(&pin.method, &pin.pattern);
        }
        app
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

    /// The watch, if there is one.
    #[must_use]
    pub fn stalls(&self) -> Option<&StallWatch> {
        self.shared.stalls.as_ref()
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("lanes", &self.shared.lanes)
            .finish_non_exhaustive()
    }
}
