//! The settings of an [`Offload`], and how it starts: the lanes' threads have a tokio runtime each.

use std::sync::{Arc, Mutex};

use actix_http::{RequestHead, header::HeaderName};
use offload_core::{CpuBudget, LanesBuilder, event_loop::EventLoops};
use offload_http::{Adapter, BuildError, Mode, Plugin, ReadsAhead, RequestSpan, Settings};
use tokio::runtime::Handle;

use crate::{
    Offload,
    app_routes::Pins,
    core::Core,
    hop::read_ahead::ReadAhead,
    lane_side::instance,
    local::{self, SharedRuntime, blocking::LoopPools, driver::Driver},
    loop_record::LoopRecords,
};

/// Builds an [`Offload`].
///
/// # Examples
///
/// ```
/// use actix_offload::{Offload, Placement, Rank, Serving, StallWatch};
/// use std::time::Duration;
/// use tracing::{field::Empty, info_span};
///
/// let watch = StallWatch::builder()
///     .threshold(Duration::from_millis(100))
///     .on_stall(|stall| eprintln!("{stall}"));
/// let offload = Offload::builder()
///     .lanes(|lanes| lanes.threads(2))
///     .budget(Duration::from_micros(200))
///     .pin("GET", "/health", Placement::Loop)
///     .serve("POST", "/login", Serving::new().rank(Rank::High))
///     .serve("GET", "/report/{id}", Serving::new().patience(Duration::from_secs(5)))
///     .deadline_header("x-request-timeout-ms")
///     .stall_watch(watch)
///     .request_span(|head| {
///         let id = head.headers.get("x-request-id").and_then(|id| id.to_str().ok());
///         info_span!("request", id, http.response.status_code = Empty)
///     })
///     .build()?;
/// assert_eq!(offload.lanes().threads(), 2);
/// # Ok::<(), actix_offload::BuildError>(())
/// ```
///
/// Bare or with the plugin, decided when the program starts:
///
/// ```
/// # use actix_offload::{Mode, Offload};
/// # use actix_web::{App, HttpServer, web};
/// # fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let bare = std::env::args().any(|argument| argument == "--bare");
/// let mode = if bare { Mode::Off } else { Mode::Auto };
/// let offload = Offload::builder().mode(mode).build()?;
/// let app = || App::new().route("/", web::get().to(|| async { "hello" }));
/// HttpServer::new(offload.app(app)).bind(("127.0.0.1", 0))?;
/// # Ok(())
/// # }
/// # serve().unwrap();
/// ```
pub type OffloadBuilder = offload_http::OffloadBuilder<Actix>;

/// The adapter for actix-web, which an [`OffloadBuilder`] builds for.
#[derive(Debug)]
pub enum Actix {}

/// The threads of the runtime that serves the lanes' timers and sockets.
const DRIVERS: usize = 1;

impl Adapter for Actix {
    type Head<'a> = &'a RequestHead;
    type Offload = Offload;

    fn start(
        settings: Settings,
        request_span: Option<RequestSpan<Self>>,
    ) -> Result<Offload, BuildError> {
        let deadline_header = settings.deadline_header.as_deref();
        let deadline_header = deadline_header.map(|name| {
            HeaderName::try_from(name).expect("the builder has checked that it is a name")
        });
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
        Ok(Offload {
            core: Arc::new(Core {
                lanes: plugin.lanes().clone(),
                table: plugin.table().clone(),
                loops: LoopRecords::new(plugin.loops().clone(), prompt, watched, pools),
                underway: Arc::default(),
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
            }),
        })
    }
}

impl ReadsAhead for Actix {}

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
