//! A server that runs until a signal asks it to end.

use std::{
    fmt,
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use offload_core::Lanes;

use crate::{
    drain::{Drained, Underway},
    race::{Won, race},
};

/// Signals within so long are one: nobody can have seen by then that the first one does not do, and wish for more.
const ASKED_ONCE: Duration = Duration::from_millis(500);

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// By itself, or by its own handle.
    Stopped,
    /// By a signal, after what was under way.
    Drained(Drained),
    /// By a later signal, without waiting for anything.
    Forced,
}

impl Underway {
    /// Runs `server` until it ends, or until a signal asks it to, which each `signal` waits for: then what is under way is
    /// [finished or refused](Self::drain), and a later signal ends at once. Earlier ones are the same wish.
    ///
    /// `stop` has the server accept no more connections; what it gives is ready once the server has stopped, if that is before
    /// its own future. The future that `sleep` makes is ready after the time that it was given.
    ///
    /// # Errors
    ///
    /// What the server failed with before it was asked to end.
    pub async fn run_until_signal<E, W, Z>(
        &self,
        lanes: Option<&Lanes>,
        grace: Duration,
        server: impl Future<Output = Result<(), E>>,
        mut signal: impl AsyncFnMut(),
        stop: impl FnOnce() -> W,
        sleep: impl Fn(Duration) -> Z,
    ) -> Result<Ended, E>
    where
        E: fmt::Display,
        W: Future<Output = ()>,
        Z: Future,
    {
        let mut server = pin!(server);
        if let Won::First(ended) = race(server.as_mut(), pin!(signal())).await {
            return ended.map(|()| Ended::Stopped);
        }
        let asked = Instant::now();
        tracing::info!(
            target: "offload",
            under_way = self.count(),
            "asked to stop: no more connections, what is under way is finished",
        );
        let stopped = stop();
        let served = async {
            if let Won::First(Err(error)) = race(server, pin!(stopped)).await {
                tracing::error!(target: "offload", %error, "the server failed while it stopped");
            }
        };
        let mut served = pin!(served);
        let ends = async {
            let mut drain = pin!(self.drain(lanes, grace, &sleep));
            match race(drain.as_mut(), served.as_mut()).await {
                Won::First(drained) => {
                    // Requests that run elsewhere, and connections of HTTP/2, also when they are idle.
                    let left = grace.saturating_sub(asked.elapsed());
                    race(served, pin!(sleep(left))).await;
                    drained
                }
                Won::Second(()) => drain.await,
            }
        };
        let again = async {
            signal().await;
            while asked.elapsed() < ASKED_ONCE {
                signal().await;
            }
        };
        Ok(match race(pin!(ends), pin!(again)).await {
            Won::First(drained) => Ended::Drained(drained),
            Won::Second(()) => Ended::Forced,
        })
    }
}
