//! The start of all that a handle has: the lanes' threads have a tokio runtime each.

use std::sync::{Arc, Mutex};

use actix_http::header::HeaderName;
use offload_core::{CpuBudget, LanesBuilder, event_loop::EventLoops};
use offload_http::{BuildError, Mode, Plugin, RequestSpan, Settings};
use tokio::runtime::Handle;

use crate::{
    app_routes::Pins,
    builder::Actix,
    core::Core,
    hop::read_ahead::ReadAhead,
    lane_side::instance,
    local::{self, SharedRuntime, blocking::LoopPools, driver::Driver},
    loop_record::LoopRecords,
};

/// The threads of the runtime that serves the lanes' timers and sockets.
const DRIVERS: usize = 1;

/// Starts with settings that are in order.
pub(crate) fn core(
    settings: Settings,
    request_span: Option<RequestSpan<Actix>>,
) -> Result<Core, BuildError> {
    let deadline_header = settings.deadline_header.as_deref();
    let deadline_header = deadline_header
        .map(|name| HeaderName::try_from(name).expect("the builder has checked that it is a name"));
    let (server_timing, read_ahead) = (settings.server_timing, settings.read_ahead);
    let prompt = settings.mode != Mode::Off;
    let pools = Arc::<LoopPools>::default();
    let mut runtime = None;
    let equip = |lanes: LanesBuilder, loops: &EventLoops| {
        // It panics if it gets no thread.
        let started = runtime.insert(SharedRuntime::new().map_err(BuildError::Runtime)?);
        Ok(equipped(lanes, loops, &pools, started.handle()))
    };
    let plugin = Plugin::start_with(settings, DRIVERS, equip)?;
    let runtime = runtime.expect("made by what equips the lanes");
    let watched = plugin.stall_watch().is_some();
    let pins = plugin.pins().iter();
    let unmet = Pins::new(pins.map(|pin| (pin.method.clone(), pin.pattern.clone())));
    Ok(Core {
        lanes: plugin.lanes().clone(),
        table: plugin.table().clone(),
        loops: LoopRecords::new(plugin.loops().clone(), prompt, watched, pools),
        underway: Arc::clone(plugin.underway()),
        server_timing,
        handle: runtime.handle(),
        workers: CpuBudget::detect().loops(),
        deadline_header,
        read_ahead: ReadAhead::new(read_ahead),
        #[cfg(feature = "live")]
        live: Arc::default(),
        unmet: Arc::new(unmet),
        request_span,
        hurry: Arc::default(),
        wrapped: Mutex::new(None),
        plugin,
        _runtime: runtime,
    })
}

/// The lanes with what their threads need: a way to sleep that drives timers and sockets, a place for the handlers that wait, and a runtime.
fn equipped(
    lanes: LanesBuilder,
    loops: &EventLoops,
    pools: &Arc<LoopPools>,
    handle: Option<Handle>,
) -> LanesBuilder {
    let (loops, pools) = (loops.clone(), Arc::clone(pools));
    lanes
        .park(move |_| Box::new(Driver::here(&pools)))
        .local(move |_| local::resident(&loops, instance::drop_all))
        .around(move |work| {
            let _driven = handle.as_ref().map(Handle::enter);
            work();
        })
}
