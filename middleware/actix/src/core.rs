//! What all clones of an [`Offload`](crate::Offload) share, at the bottom: it knows neither the handle nor how it is built.

use std::sync::{Arc, Mutex, PoisonError};

use actix_http::header::HeaderName;
use offload_core::{Lanes, routes::RouteTable};
use offload_http::{Number, Plugin, RequestSpan, drain::Underway};
use tokio::runtime::Handle;

use crate::{
    app_routes::{AppRoutes, Pins, UNMATCHED},
    builder::Actix,
    hop::read_ahead::ReadAhead,
    lifetime::Hurry,
    local::SharedRuntime,
    loop_record::LoopRecords,
};

/// What all clones of an [`Offload`](crate::Offload) and all event loops share.
pub(crate) struct Core {
    pub(crate) plugin: Plugin,
    // The plugin has these two as well; here they are one step nearer to each request.
    pub(crate) lanes: Lanes,
    pub(crate) table: RouteTable,
    pub(crate) loops: LoopRecords,
    pub(crate) underway: Arc<Underway>,
    pub(crate) server_timing: bool,
    pub(crate) request_span: Option<RequestSpan<Actix>>,
    pub(crate) handle: Option<Handle>,
    pub(crate) deadline_header: Option<HeaderName>,
    pub(crate) read_ahead: Arc<ReadAhead>,
    #[cfg(feature = "live")]
    pub(crate) live: Arc<crate::live::hub::Hub>,
    pub(crate) unmet: Arc<Pins>,
    pub(crate) workers: usize,
    pub(crate) hurry: Arc<Hurry>,
    pub(crate) wrapped: Mutex<Option<(Arc<AppRoutes>, Number)>>,
    // Last, so that futures on the lanes have drivers for as long as the lanes run.
    pub(crate) _runtime: SharedRuntime,
}

impl Core {
    /// The routes of a further app, for as long as it has its number.
    pub(crate) fn new_app(&self) -> (Arc<AppRoutes>, Number) {
        let number = self.plugin.begin_app();
        let pinned = self.plugin.pins().iter().map(|pin| pin.pattern.clone());
        // No path is known to match nothing before all patterns are known.
        let pinned = pinned.filter(|pattern| pattern != UNMATCHED).collect();
        let served = self.plugin.served().iter();
        let served = served.map(|served| served.pattern.clone());
        let routes = AppRoutes::new(
            number.get(),
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
