//! An axum server that ends without a loss.

use std::{
    fmt,
    future::{IntoFuture, poll_fn},
    io,
    task::Poll,
    time::Duration,
};

use axum::{Router, serve::Listener};
use futures_channel::oneshot;
use offload_http::Ended;
use tokio::time::sleep;

use crate::Offload;

impl Offload {
    /// Serves `app` until SIGINT or SIGTERM asks it to end. In place of `axum::serve`; with the features `axum` and `tokio`.
    ///
    /// On the first signal the server accepts no more connections and closes idle ones; those of HTTP/2 are told by a GOAWAY. What is under way is finished or refused within
    /// `grace` as [`shutdown`](Self::shutdown) says. A signal more than half a second later ends at once. Either way the future is
    /// ready then, and the process may end. Earlier ones are the same wish: a supervisor may send its signal to a process and to
    /// its group, as `timeout` does, or two kinds of it.
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
    /// use axum::{Router, routing::get};
    /// use std::time::Duration;
    /// use tower_offload::Offload;
    ///
    /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// let offload = Offload::new()?;
    /// let app = Router::new().route("/", get(|| async { "hello" })).layer(offload.layer());
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// offload.serve_until_signal(listener, app, Duration::from_secs(10)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn serve_until_signal<L>(
        &self,
        listener: L,
        app: Router,
        grace: Duration,
    ) -> io::Result<Ended>
    where
        L: Listener,
        L::Addr: fmt::Debug,
    {
        let signals = signals()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, app).with_graceful_shutdown(async {
            // It is cancelled when the other end is dropped, which says the same.
            let _asked = stopped.await;
        });
        let stop = || {
            drop(stop);
            // Its own future says when it has stopped.
            std::future::pending()
        };
        let underway = self.plugin().underway();
        let lanes = Some(self.lanes());
        let server = server.into_future();
        underway
            .run_until_signal(lanes, grace, server, signals, stop, sleep)
            .await
    }
}

/// Waits for the next signal that asks the process to end.
#[cfg(unix)]
fn signals() -> io::Result<impl AsyncFnMut()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move || {
        poll_fn(|cx| match interrupt.poll_recv(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => terminate.poll_recv(cx).map(drop),
        })
        .await;
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
