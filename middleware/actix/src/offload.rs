//! The handle: one [`Offload`] owns the lanes and what was learned, and is cloned wherever it is needed.

use std::{fmt, sync::Arc};

use actix_http::{Request, RequestHead, Response};
use actix_service::IntoServiceFactory;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, ServiceFactory},
};
use offload_core::{Lanes, profile::ProfileError, stall::Stall};
use offload_http::{Adapter, BuildError, Mode, ReadsAhead, Report, RequestSpan, Settings};

use crate::{
    builder::{Actix, OffloadBuilder},
    core::Core,
    loop_side::{factory::AppFactory, service::OffloadApp},
    maker::Maker,
    start,
};

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

impl Adapter for Actix {
    type Head<'a> = &'a RequestHead;
    type Offload = Offload;

    fn start(
        settings: Settings,
        request_span: Option<RequestSpan<Self>>,
    ) -> Result<Offload, BuildError> {
        let core = Arc::new(start::core(settings, request_span)?);
        Ok(Offload { core })
    }
}

impl ReadsAhead for Actix {}

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
        self.core.plugin.mode()
    }

    /// How many event loops to run: one per logical core that this process may use, as the [`CpuBudget`](crate::CpuBudget) has it.
    pub fn workers(&self) -> usize {
        self.core.workers
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

    /// What is known now of the routes, the lanes and the event loops.
    ///
    /// Cheap enough for a monitoring endpoint, but it takes locks and allocates: not for every
    /// request.
    ///
    /// # Examples
    ///
    /// ```
    /// let offload = actix_offload::Offload::new()?;
    /// let report = offload.report();
    /// assert_eq!(report.lanes[0].threads, offload.lanes().threads());
    /// assert!(report.routes.is_empty());
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn report(&self) -> Report {
        self.core.plugin.report()
    }

    /// The latest stalls, at most 64, oldest first; also those that last.
    pub fn stalls(&self) -> Vec<Stall> {
        self.core.plugin.stalls()
    }

    /// Writes what was learned to the profile file now. Does nothing without one.
    ///
    /// It writes to a disk: call it where blocking is fine, such as after the server has ended.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] that names the file. What the file held before is left as it was.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let offload = actix_offload::Offload::builder().profile("offload.json").build()?;
    /// // … serve …
    /// offload.save_profile()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_profile(&self) -> Result<(), ProfileError> {
        self.core.plugin.save_profile()
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
