//! The end of a server, on any runtime, and with tokio's timers and signals.

use std::{future::Future, time::Duration};

use offload_http::drain::Drained;

use crate::Offload;

impl Offload {
    /// Ready once [`shutdown`](Self::shutdown) or one of its relatives has been called: then a server accepts no more
    /// connections. Made for axum's `with_graceful_shutdown` and tonic's `serve_with_shutdown`.
    pub fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        self.plugin().underway().ending()
    }

    /// As [`shutdown`](Self::shutdown), on any runtime: the future that `sleep` makes is ready after the time that it was given.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, requests are finished in the same way, but nobody is refused at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let offload = tower_offload::Offload::new()?;
    /// # smol::block_on(async {
    /// let drained = offload.shutdown_by(Duration::from_secs(10), smol::Timer::after).await;
    /// assert_eq!(drained.left, 0);
    /// # });
    /// # Ok::<(), tower_offload::BuildError>(())
    /// ```
    pub async fn shutdown_by<Z: Future>(
        &self,
        grace: Duration,
        sleep: impl Fn(Duration) -> Z,
    ) -> Drained {
        let lanes = Some(self.lanes());
        self.plugin().underway().drain(lanes, grace, sleep).await
    }
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use std::{
        future::{Future, IntoFuture, pending, poll_fn},
        io,
        pin::Pin,
        sync::Arc,
        task::Poll,
        time::Duration,
    };

    use offload_core::Lanes;
    use offload_http::{
        Ended,
        drain::{Drained, Underway},
    };
    use tokio::time::sleep;

    use crate::{BoxError, Offload};

    /// Ready once a server has been asked to end; see [`run_until_signal`].
    pub type Asked = Pin<Box<dyn Future<Output = ()> + Send>>;

    impl Offload {
        /// Comes to an end: finishes what is under way on the lanes within `grace`, and refuses what cannot be.
        ///
        /// Requests that wait for a lane are begun in their order, those that run go on, bodies are sent to their end. New
        /// requests on connections that are still open are served if there is time for them, otherwise answered 503 with
        /// `Connection: close` on HTTP/1, or in gRPC by `UNAVAILABLE`. Shortly before the end of the grace (a tenth of it, at
        /// most 500 ms) everything on the lanes that has not answered yet gets that answer; handlers among them stop at their
        /// next await, and [`is_cancelled`](crate::is_cancelled) tells those that compute.
        ///
        /// The future ends as soon as nothing is under way, or at the end of the grace. It needs a tokio runtime with a timer;
        /// [`shutdown_by`](Self::shutdown_by) does not. Requests that run on workers are the server's business, and so is to
        /// accept no more connections: see [`run_until_signal`](Self::run_until_signal), which does both. After it the lanes
        /// take no more requests, for good, if it had to refuse any.
        ///
        /// # Cancel safety
        ///
        /// If it is dropped, requests are finished in the same way, but nobody is refused at the end.
        pub async fn shutdown(&self, grace: Duration) -> Drained {
            self.shutdown_by(grace, sleep).await
        }

        /// Runs `server` until it ends, or until SIGINT or SIGTERM asks it to.
        ///
        /// The first signal makes [`ending`](Self::ending) ready, by which the server accepts no more connections, and what is
        /// under way is finished or refused within `grace` as [`shutdown`](Self::shutdown) says. A signal more than half a
        /// second later ends at once. Either way the future is ready then, and the process may end. Earlier ones are the same
        /// wish: a supervisor may send its signal to a process and to its group. Where there are no such signals, it is ctrl-c.
        ///
        /// tokio's workers drive its timers and signals. While all of them compute, both are late; on a runtime of its own,
        /// as in the demo, this is not.
        ///
        /// # Errors
        ///
        /// What the server failed with, or why signals cannot be received.
        ///
        /// # Examples
        ///
        /// ```no_run
        /// use std::time::Duration;
        ///
        /// use axum::{Router, routing::get};
        /// use tower_offload::Offload;
        ///
        /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
        /// let offload = Offload::new()?;
        /// let app = Router::new()
        ///     .route("/", get(|| async { "hello" }))
        ///     .layer(offload.layer());
        /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
        /// let server = axum::serve(listener, app).with_graceful_shutdown(offload.ending());
        /// offload.run_until_signal(server, Duration::from_secs(10)).await?;
        /// # Ok(())
        /// # }
        /// ```
        pub async fn run_until_signal<S, E>(&self, server: S, grace: Duration) -> io::Result<Ended>
        where
            S: IntoFuture<Output = Result<(), E>>,
            E: Into<BoxError>,
        {
            let underway = self.plugin().underway();
            run(underway, Some(self.lanes()), server, grace).await
        }
    }

    /// Runs a server without a layer until a signal, as [`Offload::run_until_signal`] does: `serve` makes it, and is given the
    /// future that says when to accept no more connections.
    ///
    /// # Errors
    ///
    /// What the server failed with, or why signals cannot be received.
    pub async fn run_until_signal<S, E>(
        serve: impl FnOnce(Asked) -> S,
        grace: Duration,
    ) -> io::Result<Ended>
    where
        S: IntoFuture<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        let underway = Arc::<Underway>::default();
        let server = serve(Box::pin(underway.ending()));
        run(&underway, None, server, grace).await
    }

    async fn run<S, E>(
        underway: &Underway,
        lanes: Option<&Lanes>,
        server: S,
        grace: Duration,
    ) -> io::Result<Ended>
    where
        S: IntoFuture<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        let signals = signals()?;
        let server = async { server.await.map_err(Into::into) };
        // The server hears of it by `ending`.
        let stop = pending::<()>;
        let running = underway.run_until_signal(lanes, grace, server, signals, stop, sleep);
        running.await.map_err(|error: BoxError| {
            let error = error.downcast::<io::Error>();
            error.map_or_else(io::Error::other, |error| *error)
        })
    }

    /// Waits for the next signal that asks the process to end.
    #[cfg(unix)]
    fn signals() -> io::Result<impl AsyncFnMut()> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move || {
            poll_fn(|cx| {
                if interrupt.poll_recv(cx).is_ready() || terminate.poll_recv(cx).is_ready() {
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
        })
    }

    /// Waits for the signal that asks the process to end.
    #[cfg(not(unix))]
    fn signals() -> io::Result<impl AsyncFnMut()> {
        Ok(async || {
            if tokio::signal::ctrl_c().await.is_err() {
                pending().await
            }
        })
    }
}

#[cfg(feature = "tokio")]
pub use on_tokio::{Asked, run_until_signal};
