//! What all clones of an [`Offload`](crate::Offload) share, at the bottom: it knows neither the handle nor how it is built.

use std::sync::{Arc, Mutex, PoisonError};

use actix_http::header::HeaderName;
use offload_core::{
    Lanes,
    routes::{PinSource, RouteTable},
    stall::StallWatch,
};
use offload_http::{Unrouted, mode::Mode};
use tokio::runtime::Handle;

use crate::{
    app_routes::{AppRoutes, Pins, UNMATCHED},
    builder::{Pin, ServerTiming},
    hop::read_ahead::ReadAhead,
    lifetime::{Hurry, Number, Numbers},
    local::SharedRuntime,
    loop_record::LoopRecords,
    serving::Served,
    shutdown::Underway,
    spans::RequestSpan,
};

/// What all clones of an [`Offload`](crate::Offload) and all event loops share.
pub(crate) struct Core {
    pub(crate) lanes: Lanes,
    pub(crate) table: RouteTable,
    pub(crate) loops: LoopRecords,
    pub(crate) stalls: Option<StallWatch>,
    pub(crate) underway: Arc<Underway>,
    pub(crate) mode: Mode,
    pub(crate) server_timing: ServerTiming,
    pub(crate) request_span: Option<RequestSpan>,
    pub(crate) profile: Option<crate::profile::ProfileFile>,
    pub(crate) handle: Option<Handle>,
    pub(crate) deadline_header: Option<HeaderName>,
    pub(crate) unrouted: Unrouted,
    pub(crate) read_ahead: Arc<ReadAhead>,
    #[cfg(feature = "live")]
    pub(crate) live: Arc<crate::live::hub::Hub>,
    pub(crate) pins: Vec<Pin>,
    pub(crate) unmet: Arc<Pins>,
    pub(crate) serving: Vec<Served>,
    pub(crate) workers: usize,
    pub(crate) hurry: Arc<Hurry>,
    pub(crate) apps: Arc<Numbers>,
    pub(crate) wrapped: Mutex<Option<(Arc<AppRoutes>, Number)>>,
    // Last, so that futures on the lanes have drivers for as long as the lanes run.
    pub(crate) _runtime: SharedRuntime,
}

impl Core {
    /// The routes of a further app, for as long as it has its number.
    pub(crate) fn new_app(&self) -> (Arc<AppRoutes>, Number) {
        let number = self.apps.take();
        let app = number.get();
        self.table.begin_app(app);
        for pin in &self.pins {
            let route = self.table.route(app, &pin.method, &pin.pattern);
            route.pin(pin.placement, PinSource::Configuration);
        }
        for served in &self.serving {
            let route = self.table.route(app, &served.method, &served.pattern);
            served.serving.apply(&route);
        }
        let pinned = self.pins.iter().map(|pin| pin.pattern.clone());
        // No path is known to match nothing before all patterns are known.
        let pinned = pinned.filter(|pattern| pattern != UNMATCHED).collect();
        let served = self.serving.iter().map(|served| served.pattern.clone());
        let routes = AppRoutes::new(
            app,
            self.table.clone(),
            pinned,
            served.collect(),
            Arc::clone(&self.unmet),
        );
        (Arc::new(routes), number)
    }

    /// The routes of the apps that are merely wrapped, which cannot be told apart.
    pub(crate) fn wrapped_app(&self) -> Arc<AppRoutes> {
        let mut wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        let (routes, _) = wrapped.get_or_insert_with(|| self.new_app());
        Arc::clone(routes)
    }
}
