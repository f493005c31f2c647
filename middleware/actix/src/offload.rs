//! The handle: one [`Offload`] owns the lanes and what was learned, and is cloned wherever it is needed.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use actix_http::{Request, Response};
use actix_service::IntoServiceFactory;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, ServiceFactory},
};
use offload_core::{Lanes, LanesBuilder, event_loop::EventLoops};
use offload_http::{Unrouted, mode::Mode};
use tokio::runtime::Handle;

use crate::{
    app_routes::Pins,
    builder::{OffloadBuilder, Pin},
    error::BuildError,
    hop::read_ahead::ReadAhead,
    lane_side::instance,
    local::{self, SharedRuntime, blocking::LoopPools, driver::Driver},
    loop_record::LoopRecords,
    loop_side::{factory::AppFactory, service::OffloadApp},
    maker::Maker,
};

pub(crate) use crate::core::Core;

/// The threads of the runtime that serves the lanes' timers and sockets.
const DRIVERS: usize = 1;

/// The thread of the stall watch. It does without the one that reads what names functions.
const WATCHES: usize = 1;

/// Keeps actix-web's event loops responsive while handlers compute.
///
/// One value serves a whole process: it owns the lane threads, knows what every route costs, and is
/// cheap to clone. See the [crate documentation](crate) for how to use it.
///
/// # Examples
///
/// ```no_run
/// use actix_offload::Offload;
/// use actix_web::{App, HttpServer, web};
///
/// #[actix_web::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let offload = Offload::new()?;
///     let app = || App::new().route("/", web::get().to(|| async { "hello" }));
///     HttpServer::new(offload.app(app))
///         .workers(offload.workers())
///         .bind(("127.0.0.1", 8080))?
///         .run()
///         .await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Offload {
    pub(crate) core: Arc<Core>,
}

impl Offload {
    /// Starts with the default settings: as many lane threads as logical cores, learned placement.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if the lane threads could not be started.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Starts with settings of your own.
    pub fn builder() -> OffloadBuilder {
        OffloadBuilder::default()
    }

    pub(crate) fn start(mut settings: OffloadBuilder) -> Result<Self, BuildError> {
        let lanes = lanes(&settings);
        let watches = match settings.stall_watch {
            Some(_) => WATCHES,
            None => 0,
        };
        let threads = lanes.thread_count().map_err(lanes_refused)? + DRIVERS + watches;
        // The runtime panics if it gets none.
        let rehearsed = offload_core::rehearse_threads(threads)
            .map_err(|none| BuildError::NoThreads(Box::new(none)))?;
        let runtime = SharedRuntime::new().map_err(BuildError::Runtime)?;
        let handle = runtime.handle();
        let table = crate::profile::table(&settings);
        let profile = crate::profile::open(&settings, &table)?;
        let loops = EventLoops::default();
        let pools = Arc::<LoopPools>::default();
        let lanes = {
            let (handle, loops) = (handle.clone(), loops.clone());
            let pools = Arc::clone(&pools);
            lanes
                .park(move |_| Box::new(Driver::here(&pools)))
                .local(move |_| local::resident(&loops, instance::drop_all))
                .around(move |work| {
                    let _driven = handle.as_ref().map(Handle::enter);
                    work();
                })
                .build()
                .map_err(lanes_refused)?
        };
        let stalls = match settings.stall_watch.take() {
            Some(watch) => {
                let watch = watch.routes(table.clone()).start(&loops);
                Some(watch.map_err(BuildError::StallWatch)?)
            }
            None => None,
        };
        drop(rehearsed);
        let core = Arc::new(Core {
            lanes,
            table,
            loops: LoopRecords::new(loops, settings.prompt_loops, stalls.is_some(), pools),
            stalls,
            underway: Arc::default(),
            mode: settings.mode,
            server_timing: settings.server_timing,
            profile,
            handle,
            workers: settings.worker_count(),
            deadline_header: settings.deadline_header,
            unrouted: Unrouted::default(),
            read_ahead: ReadAhead::new(settings.read_ahead),
            #[cfg(feature = "live")]
            live: Arc::default(),
            serving: settings.serving,
            unmet: Arc::new(unmet(&settings.pins)),
            pins: settings.pins,
            request_span: settings.request_span,
            hurry: Arc::default(),
            apps: Arc::default(),
            wrapped: Mutex::new(None),
            _runtime: runtime,
        });
        crate::profile::save_now_and_then(&core);
        Ok(Self { core })
    }

    /// Serves the app that `factory` builds: light requests on their event loop, CPU-heavy ones on a
    /// lane. Takes and gives what `HttpServer::new` takes.
    ///
    /// `factory` runs once on each event loop, as always, and once more on each lane thread.
    ///
    /// What it makes there ends with the server: when the last event loop of the app has ended, and before the future of
    /// `HttpServer::run` does. A lane thread that computes meanwhile holds that up for two seconds at most; what it has is
    /// dropped when it is done, and a warning with the target `offload` says so.
    ///
    /// An app has a number, the first that no other has at the time. One that is started again after its end has the same number
    /// and so goes on with what was learned of its routes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use actix_offload::Offload;
    /// # use actix_web::{App, HttpServer, web};
    /// # fn serve(offload: Offload) -> std::io::Result<()> {
    /// let app = || App::new().route("/", web::get().to(|| async { "hello" }));
    /// HttpServer::new(offload.app(app)).bind(("127.0.0.1", 0))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn app<F, I, S, B>(
        &self,
        factory: F,
    ) -> impl Fn() -> OffloadApp<S, B> + Send + Clone + 'static + use<F, I, S, B>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Service: 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        B: MessageBody + 'static,
    {
        let factory = AppFactory::new(Maker::of(factory), Arc::clone(&self.core));
        move || factory.make()
    }

    /// How much of the plugin is at work.
    pub fn mode(&self) -> Mode {
        self.core.mode
    }

    /// How many event loops to run: one per logical core, or what
    /// [`OffloadBuilder::workers`] was given.
    pub fn workers(&self) -> usize {
        self.core.workers
    }

    /// How many requests each of the two lanes runs at a time.
    pub fn threads(&self) -> usize {
        self.core.lanes.threads()
    }

    /// The lanes themselves, to run closures and futures of your own on them.
    ///
    /// # Examples
    ///
    /// ```
    /// # let offload = actix_offload::Offload::new()?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let sum = offload.lanes().run(|| (1..=1000u64).sum::<u64>()).await;
    /// assert_eq!(sum.ok(), Some(500_500));
    /// # });
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn lanes(&self) -> &Lanes {
        &self.core.lanes
    }
}

/// The lanes as they are set, with nothing of their threads' own yet.
fn lanes(settings: &OffloadBuilder) -> LanesBuilder {
    let (least, factor, most) = settings.patience;
    let (short, long) = settings.lane_threads();
    let mut lanes = Lanes::builder();
    if let Some(spares) = settings.spare_threads {
        lanes = lanes.spare_threads(spares);
    }
    if let Some(bytes) = settings.stack_size {
        lanes = lanes.stack_size(bytes);
    }
    lanes
        .threads(short)
        .long_threads(long)
        .queue_bound(settings.queue_bound)
        .short_limit(settings.short_limit)
        .patience(least, factor, most)
        .burst_patience(settings.burst_patience)
        .priorities(settings.priorities.0, settings.priorities.1)
}

fn unmet(pins: &[Pin]) -> Pins {
    Pins::new(
        pins.iter()
            .map(|pin| (pin.method.clone(), pin.pattern.clone())),
    )
}

fn lanes_refused(error: offload_core::BuildError) -> BuildError {
    match error.setting_name() {
        Some(_) => BuildError::LaneSetting(Box::new(error)),
        None => BuildError::Lane(Box::new(error)),
    }
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload")
            .field("workers", &self.core.workers)
            .field("lanes", &self.core.lanes)
            .finish_non_exhaustive()
    }
}
