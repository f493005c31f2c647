//! The end of a server, with actix's timers, signals and handle.

use std::{io, pin::pin, time::Duration};

use actix_web::dev::Server;
use futures_util::future::select;
use offload_http::{Ended, drain::Drained};
use tokio::time::sleep;

use crate::Offload;

impl Offload {
    /// Comes to an end: finishes what is under way on the lanes within `grace`, and refuses what cannot be.
    ///
    /// Requests that wait for a lane are begun in their order, those that run go on, streams are sent to their end. New
    /// requests on connections that are still open are served if there is time for them, otherwise answered 503 with
    /// `Connection: close`. Shortly before the end of the grace (a tenth of it, at most 500 ms) everything that has not
    /// answered yet gets that 503; handlers among them stop at their next await, and
    /// [`is_cancelled`](crate::is_cancelled) tells those that compute.
    ///
    /// The future ends as soon as nothing is under way, or at the end of the grace. It needs a tokio runtime with a timer,
    /// as every actix server has. Light requests run on their event loops and are the server's business, and so is to
    /// accept no more connections: see [`run_until_signal`](Self::run_until_signal), which does both. After it the lanes
    /// take no more requests, for good, if it had to refuse any.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, requests are finished in the same way, but nobody is refused at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let offload = actix_offload::Offload::builder().lanes(|lanes| lanes.threads(1)).build()?;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let drained = offload.shutdown(Duration::from_secs(10)).await;
    /// assert_eq!(drained.left, 0);
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> Drained {
        let lanes = Some(&self.core.lanes);
        self.core.underway.drain(lanes, grace, sleep).await
    }

    /// Runs `server` until it ends, or until SIGINT or SIGTERM asks it to.
    ///
    /// On the first signal the server accepts no more connections, and what is under way is finished or refused within
    /// `grace` as [`shutdown`](Self::shutdown) says. A signal more than half a second later ends at once. Either way the future is
    /// ready then, and the process may end. Earlier ones are the same wish: a supervisor may send its signal to a process and to
    /// its group, as `timeout` does, or two kinds of it.
    ///
    /// The server must leave the signals to this, `HttpServer::disable_signals`, and must not cut connections earlier:
    /// give `HttpServer::shutdown_timeout` at least as many seconds as `grace`. actix closes idle HTTP/1 connections when its
    /// graceful stop begins, but it does not tell HTTP/2 connections of it: they keep the stop from ending until their clients
    /// close them or no longer answer pings. This waits for them no longer than `grace`.
    ///
    /// Where there are no such signals, it is ctrl-c.
    ///
    /// # Errors
    ///
    /// What the server failed with, or why signals cannot be received.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use actix_offload::Offload;
    /// # use actix_web::{App, HttpServer, web};
    /// # use std::time::Duration;
    /// #[actix_web::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let offload = Offload::new()?;
    ///     let app = || App::new().route("/", web::get().to(|| async { "hello" }));
    ///     let server = HttpServer::new(offload.app(app))
    ///         .workers(offload.workers())
    ///         .disable_signals()
    ///         .shutdown_timeout(10)
    ///         .bind(("127.0.0.1", 8080))?
    ///         .run();
    ///     offload.run_until_signal(server, Duration::from_secs(10)).await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn run_until_signal(&self, server: Server, grace: Duration) -> io::Result<Ended> {
        let signals = signals()?;
        let handle = server.handle();
        // It stops when it is called. What it gives only waits for that.
        let stop = || handle.stop(true);
        let (core, lanes) = (&self.core, Some(&self.core.lanes));
        let running = core
            .underway
            .run_until_signal(lanes, grace, server, signals, stop, sleep);
        let ended = running.await?;
        if ended == Ended::Forced {
            core.hurry.up();
        }
        Ok(ended)
    }
}

/// Waits for the next signal that asks the process to end.
#[cfg(unix)]
fn signals() -> io::Result<impl AsyncFnMut()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move || {
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
    })
}

/// Waits for the signal that asks the process to end.
#[cfg(not(unix))]
fn signals() -> io::Result<impl AsyncFnMut()> {
    Ok(async || {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
