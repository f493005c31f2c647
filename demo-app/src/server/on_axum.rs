//! axum's server, on a tokio runtime of its own: the thread that started it stays free for signals and the grace.

use std::{fmt, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, serve::ListenerExt};
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tower_offload::{Offload, Placement};

use super::{SIDE_BY_SIDE, ServeError, bind_error, cores, said};
use crate::{
    cli::{Args, Mode},
    on_axum::app::routes,
};

/// Signals within this time are one wish: a supervisor may send its signal to a process and to its group.
const ASKED_ONCE: Duration = Duration::from_millis(500);

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
    runtime: Runtime,
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
        runtime,
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
        let signals = control.block_on(async { Signals::new() })?;
        ready(&self);
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = self
            .listener
            .tap_io(|stream| drop(stream.set_nodelay(true)));
        let serving = axum::serve(listener, self.app).with_graceful_shutdown(async {
            // It is cancelled when the other end is dropped, which says the same.
            let _asked = stopped.await;
        });
        let served = self.runtime.spawn(serving.into_future());
        let ended = control.block_on(until_ended(served, stop, signals, self.grace));
        // It does not wait for handlers that compute.
        self.runtime.shutdown_background();
        ended
    }
}

async fn until_ended(
    mut served: JoinHandle<io::Result<()>>,
    stop: oneshot::Sender<()>,
    mut signals: Signals,
    grace: Duration,
) -> io::Result<EndedOnAxum> {
    if let Either::Left((ended, _)) = select(&mut served, pin!(signals.next())).await {
        ended??;
        return Ok(EndedOnAxum::Drained);
    }
    let asked = Instant::now();
    drop(stop);
    let late = pin!(sleep_until(asked + grace));
    let again = pin!(async {
        signals.next().await;
        while asked.elapsed() < ASKED_ONCE {
            signals.next().await;
        }
    });
    match select(&mut served, select(late, again)).await {
        Either::Left((ended, _)) => {
            ended??;
            Ok(EndedOnAxum::Drained)
        }
        Either::Right((Either::Left(_), _)) => Ok(EndedOnAxum::Late),
        Either::Right((Either::Right(_), _)) => Ok(EndedOnAxum::Forced),
    }
}

/// The signals that ask a process to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        select(pin!(self.interrupt.recv()), pin!(self.terminate.recv())).await;
    }
}

/// The signal that asks a process to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
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
