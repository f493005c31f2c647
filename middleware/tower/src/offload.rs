//! The handle: one [`Offload`] owns the lanes and what was learned, and makes layers.

use std::{fmt, sync::Arc};

use http::HeaderName;
use offload_core::{Lanes, profile::ProfileError, stall::Stall};
use offload_http::{Adapter, BuildError, Mode, Plugin, Report, RequestSpan, Settings};

use crate::{
    builder::{OffloadBuilder, Options, Tower},
    layer::OffloadLayer,
    naming::{Head, Naming, Protocol},
};

/// Keeps a runtime's workers responsive while handlers compute.
///
/// One value serves a whole process: it owns the lane threads, knows what every route costs, and is cheap to clone. See the
/// [crate documentation](crate) for how to use it.
#[derive(Clone)]
pub struct Offload {
    plugin: Plugin,
    options: Arc<Options>,
}

impl Adapter for Tower {
    type Head<'a> = Head<'a>;
    type Offload = Offload;

    fn start(
        settings: Settings,
        request_span: Option<RequestSpan<Self>>,
    ) -> Result<Offload, BuildError> {
        let deadline_header = settings.deadline_header.as_deref();
        let deadline_header = deadline_header.map(|name| {
            HeaderName::try_from(name).expect("the builder has checked that it is a name")
        });
        let options = Options {
            deadline_header,
            server_timing: settings.server_timing,
            request_span,
        };
        Ok(Offload::new_with(Plugin::start(settings)?, options))
    }
}

impl Offload {
    /// Starts with the default settings: each of the two lanes runs as many requests at a time as there are logical cores, and placement is learned.
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

    pub(crate) fn new_with(plugin: Plugin, options: Options) -> Self {
        Self {
            plugin,
            options: Arc::new(options),
        }
    }

    /// A layer for an axum router, which names routes by what the router has matched.
    ///
    /// Add it last, so that it is the outermost and the whole request moves: `Router::layer` covers the routes that were added before it.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_offload::Offload;
    ///
    /// let offload = Offload::new()?;
    /// let app: Router = Router::new()
    ///     .route("/", get(|| async { "hello" }))
    ///     .layer(offload.layer());
    /// # Ok::<(), tower_offload::BuildError>(())
    /// ```
    #[cfg(feature = "axum")]
    pub fn layer(&self) -> OffloadLayer {
        self.make(Naming::Matched, Protocol::Http)
    }

    /// A layer for gRPC services such as tonic's: routes are methods of services, refusals and panics are statuses of gRPC, and
    /// `grpc-timeout` is the deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_offload::Offload;
    ///
    /// let offload = Offload::new()?;
    /// let layer = offload.grpc_layer();
    /// // tonic::transport::Server::builder().layer(layer).add_service(..)
    /// # Ok::<(), tower_offload::BuildError>(())
    /// ```
    pub fn grpc_layer(&self) -> OffloadLayer {
        self.make(Naming::Path, Protocol::Grpc)
    }

    /// A layer for anything else that speaks HTTP, such as a service of hyper: `name` says which route a request is for, or `None` if it is for none.
    ///
    /// The names are the application's and not the client's: as many as there are routes.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_offload::{Head, Offload};
    ///
    /// fn route<'a>(head: Head<'a>) -> Option<&'a str> {
    ///     match head.uri.path() {
    ///         "/" | "/report" => Some(head.uri.path()),
    ///         path if path.starts_with("/users/") => Some("/users/{id}"),
    ///         _ => None,
    ///     }
    /// }
    ///
    /// let offload = Offload::new()?;
    /// let layer = offload.layer_by(route);
    /// # Ok::<(), tower_offload::BuildError>(())
    /// ```
    pub fn layer_by(
        &self,
        name: impl for<'a> Fn(Head<'a>) -> Option<&'a str> + Send + Sync + 'static,
    ) -> OffloadLayer {
        self.make(Naming::By(Arc::new(name)), Protocol::Http)
    }

    /// How much of the plugin is at work.
    pub fn mode(&self) -> Mode {
        self.plugin.mode()
    }

    /// The lanes themselves, to run closures and futures of your own on them.
    pub fn lanes(&self) -> &Lanes {
        self.plugin.lanes()
    }

    /// What is known now of the routes, the lanes and the workers.
    ///
    /// Cheap enough for a monitoring endpoint, but it takes locks and allocates: not for every request.
    pub fn report(&self) -> Report {
        self.plugin.report()
    }

    /// Hands over what is measured to a recorder of the [`metrics`](offload_core::metrics) facade, under the names
    /// that are listed there: routes, lanes, event loops (which are the workers here), stalls. Behind the feature `metrics`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// let offload = tower_offload::Offload::new()?;
    /// let metrics = offload.metrics();
    /// thread::spawn(move || loop {
    ///     metrics.publish();
    ///     thread::sleep(Duration::from_secs(5));
    /// });
    /// # Ok::<(), tower_offload::BuildError>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics(&self) -> offload_core::metrics::Publisher {
        self.plugin.metrics()
    }

    /// The latest stalls, at most 64, oldest first; also those that last.
    pub fn stalls(&self) -> Vec<Stall> {
        self.plugin.stalls()
    }

    /// Writes what was learned to the profile file now. Does nothing without one.
    ///
    /// It writes to a disk: call it where blocking is fine, such as after the server has ended.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] that names the file. What the file held before is left as it was.
    pub fn save_profile(&self) -> Result<(), ProfileError> {
        self.plugin.save_profile()
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    fn make(&self, naming: Naming, protocol: Protocol) -> OffloadLayer {
        OffloadLayer::new(
            self.plugin.app(),
            Arc::clone(&self.options),
            naming,
            protocol,
        )
    }
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload")
            .field("lanes", self.lanes())
            .finish_non_exhaustive()
    }
}
