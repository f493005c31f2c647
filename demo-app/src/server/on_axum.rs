//! axum's server, on a tokio runtime of its own: the thread that started it stays free for signals and the grace.

use std::{cell::Cell, fmt, future::IntoFuture, io, net::SocketAddr, time::Duration};

use axum::{Router, serve::ListenerExt};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tower_offload::{Ended, Offload, Placement, run_until_signal};

use super::{SIDE_BY_SIDE, ServeError, bind_error, cores, said};
use crate::{
    cli::{Args, Mode},
    on_axum::app::routes,
};

/// A server on axum that listens, and serves once it is [run](Self::run).
///
/// Its text tells people where it is and how it works.
#[must_use = "a server does nothing until it is run"]
pub struct StartedOnAxum {
    /// The address that it listens on.
    pub addr: SocketAddr,
    /// How many workers its runtime has.
    pub workers: usize,
    /// The layer, if it is around the app.
    pub offload: Option<Offload>,
    runtime: Workers,
    listener: TcpListener,
    app: Router,
    grace: Duration,
}

/// How a server on axum has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndedOnAxum {
    /// All that was under way when it was asked to stop was answered.
    Drained,
    /// Some of it took longer than the grace.
    Late,
    /// A later signal did not let it finish.
    Forced,
}

/// Listens as `args` say.
///
/// # Errors
///
/// A [`ServeError`] if the address is taken, or the layer or the runtime can't start.
pub fn start_on_axum(args: &Args) -> Result<StartedOnAxum, ServeError> {
    let offload = match args.offload {
        Mode::Auto => Some(layer(args)?),
        Mode::Off => None,
    };
    let app = match &offload {
        Some(offload) => routes().layer(offload.layer()),
        None => routes(),
    };
    let workers = args.workers.map_or_else(cores, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(ServeError::Serve)?;
    let bound = runtime.block_on(TcpListener::bind(args.addr));
    let listener = bound.map_err(|source| bind_error(args, source))?;
    Ok(StartedOnAxum {
        addr: listener.local_addr().unwrap_or(args.addr),
        workers,
        offload,
        runtime: Workers(Some(runtime)),
        listener,
        app,
        grace: Duration::from_secs(args.grace.into()),
    })
}

/// The layer as the demo sets it: the routes that are there for comparison are pinned to the workers.
fn layer(args: &Args) -> Result<Offload, ServeError> {
    let mut builder = Offload::builder().server_timing(true).env();
    if let Some(threads) = args.threads {
        builder = builder.lanes(|lanes| lanes.threads(threads.into()));
    }
    if let Some(file) = &args.profile {
        builder = builder.profile(file);
    }
    for (method, pattern) in SIDE_BY_SIDE {
        builder = builder.pin(method, pattern, Placement::Loop);
    }
    Ok(builder.build()?)
}

impl StartedOnAxum {
    /// Serves until SIGINT or SIGTERM asks it to stop, then until what is under way has ended, at most for the grace.
    ///
    /// Calls `ready` when signals are taken.
    ///
    /// # Errors
    ///
    /// What the server failed with, why signals cannot be received, or why the profile could not be saved.
    pub fn run(self, ready: impl FnOnce(&Self)) -> Result<EndedOnAxum, ServeError> {
        let offload = self.offload.clone();
        let ended = self.serve(ready).map_err(ServeError::Serve)?;
        if let Some(offload) = offload {
            offload.save_profile()?;
        }
        Ok(ended)
    }

    fn serve(self, ready: impl FnOnce(&Self)) -> io::Result<EndedOnAxum> {
        // Workers may be busy for as long as handlers compute. Signals and the grace don't wait for them.
        let control = Builder::new_current_thread().enable_all().build()?;
        let (offload, grace) = (self.offload.clone(), self.grace);
        let whole = Cell::new(false);
        let ended = match &offload {
            Some(offload) => {
                let served = self.served(ready, offload.ending(), &whole);
                control.block_on(offload.run_until_signal(served, grace))
            }
            None => control.block_on(run_until_signal(
                |ending| self.served(ready, ending, &whole),
                grace,
            )),
        };
        Ok(match ended? {
            Ended::Forced => EndedOnAxum::Forced,
            _ if whole.get() => EndedOnAxum::Drained,
            _ => EndedOnAxum::Late,
        })
    }

    /// Serves until it ends, which `whole` tells then. By the first poll signals are taken.
    async fn served(
        self,
        ready: impl FnOnce(&Self),
        ending: impl Future<Output = ()> + Send + 'static,
        whole: &Cell<bool>,
    ) -> io::Result<()> {
        ready(&self);
        let listener = self.listener;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let serving = axum::serve(listener, self.app).with_graceful_shutdown(ending);
        let served = self.runtime.spawn(serving.into_future()).await?;
        whole.set(true);
        served
    }
}

/// A runtime whose end does not wait for handlers that compute.
struct Workers(Option<Runtime>);

impl Workers {
    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.as_ref().expect("it has not ended").spawn(future)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Display for StartedOnAxum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "demo-app serves http://{} on axum", self.addr)?;
        writeln!(f, "  event loops   {}", self.workers)?;
        match &self.offload {
            Some(offload) => {
                writeln!(f, "  lane threads  {}", offload.lanes().threads())?;
                writeln!(f, "  offload       {}", said(offload.mode()))?;
            }
            None => {
                writeln!(f, "  lane threads  none")?;
                writeln!(f, "  offload       off: the same app without the layer")?;
            }
        }
        writeln!(f, "  only on actix /lab, /metrics, /_offload/ and `monit`")?;
        write!(f, "Ctrl-C or SIGTERM stops it")
    }
}

impl fmt::Debug for StartedOnAxum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedOnAxum")
            .field("addr", &self.addr)
            .field("workers", &self.workers)
            .field("offload", &self.offload)
            .finish_non_exhaustive()
    }
}
