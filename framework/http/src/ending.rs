//! A server that runs until a signal asks it to end.

use std::{
    fmt,
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use offload_core::Lanes;

use crate::{
    drain::{Drained, Underway, margin},
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
        let so_far = self.so_far();
        let ends = async {
            let left = || grace.saturating_sub(asked.elapsed());
            let mut drain = pin!(self.drain(lanes, grace, &sleep));
            if let Won::Second(()) = race(drain.as_mut(), served.as_mut()).await {
                return drain.await;
            }
            // Requests that run elsewhere, and connections of HTTP/2, also when they are idle.
            let early = left().saturating_sub(margin(grace));
            if let Won::Second(_) = race(served.as_mut(), pin!(sleep(early))).await {
                if self.count() > 0 {
                    // They have come since, by connections that were still open.
                    self.refuse(lanes, sleep(left())).await;
                }
                race(served, pin!(sleep(left()))).await;
            }
            self.drained_since(so_far)
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

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        convert::Infallible,
        future::{pending, poll_fn, ready},
        rc::Rc,
        sync::Arc,
        task::{Context, Poll, Waker},
    };

    use super::*;

    const GRACE: Duration = Duration::from_secs(600);

    #[test]
    fn who_comes_after_all_had_ended_is_refused_before_the_server_is_cut() {
        let underway = Arc::<Underway>::default();
        let rung: Rc<RefCell<Vec<Rc<Cell<bool>>>>> = Rc::default();
        // A timer is ready when the test says so.
        let sleep = |_| {
            let ring = Rc::new(Cell::new(false));
            rung.borrow_mut().push(Rc::clone(&ring));
            poll_fn(move |_| match ring.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
        };
        let asked = Cell::new(false);
        let signal = async || {
            if asked.replace(true) {
                pending().await
            }
        };
        let server = pending::<Result<(), Infallible>>();
        let stop = pending::<()>;
        let mut run = pin!(underway.run_until_signal(None, GRACE, server, signal, stop, sleep));
        let mut cx = Context::from_waker(Waker::noop());
        let mut step = || run.as_mut().poll(&mut cx);
        assert!(step().is_pending(), "the server has open connections");

        let mut late = underway.enter(());
        let mut waits = || late.poll_refused(&mut Context::from_waker(Waker::noop()));
        assert!(waits().is_pending());
        let ring = || rung.borrow().last().expect("a timer").set(true);
        ring();
        assert!(step().is_pending(), "it waits for the late one");
        assert_eq!(waits(), Poll::Ready(()));
        late.refused();
        drop(late);
        assert!(step().is_pending(), "the server has open connections");
        ring();
        let Poll::Ready(Ok(Ended::Drained(drained))) = step() else {
            panic!("the grace is over")
        };
        assert_eq!((drained.ended, drained.refused, drained.left), (0, 1, 0));
    }

    #[test]
    fn a_server_that_ends_by_itself_is_stopped() {
        let underway = Underway::default();
        let server = ready(Ok::<_, Infallible>(()));
        let run = underway.run_until_signal(
            None,
            GRACE,
            server,
            async || pending().await,
            pending::<()>,
            |_| pending::<()>(),
        );
        let ended = pin!(run).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(ended, Poll::Ready(Ok(Ended::Stopped)));
    }
}
