//! A task that each event loop runs so that others can hear whether it still comes round.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::record::EventLoop;

/// A task for an event loop to run as long as it lives; see [`EventLoop::pulse`]. Ready once the loop was
/// [left](super::EventLoops::leave).
///
/// Dropping it tells the watch that the loop has ended.
#[must_use = "the event loop has to run it"]
pub struct Pulse(Arc<EventLoop>);

impl EventLoop {
    /// The task by which others hear whether this loop comes round. Spawn it on the loop; `None` if it runs one already.
    ///
    /// It is woken twice a second while the loop is at rest, ten times while it serves, and up to 25 times (with a threshold
    /// of 25 ms) while it computes and nobody knows for whom.
    pub fn pulse(self: &Arc<Self>) -> Option<Pulse> {
        self.heard().begin().then(|| Pulse(Arc::clone(self)))
    }
}

impl Future for Pulse {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.heard().answer(cx);
        // Looked at once there is a waker, so that no end is missed.
        if self.0.has_ended() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.heard().end();
        // Outside of its lock: it may be the last hold on a runtime.
        drop(self.0.take_pool());
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulse").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicBool, Ordering},
        task::{Wake, Waker},
    };

    use super::*;
    use crate::{clock::Moment, event_loop::EventLoops};

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_loop_that_is_asked_comes_round_and_one_that_ended_is_not_asked() {
        let loops = EventLoops::default();
        let here = loops.here();
        let mut pulse = Box::pin(here.pulse().expect("the first"));
        assert!(here.pulse().is_none(), "there is one already");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pulse.as_mut().poll(&mut cx).is_pending());
        let first = here.heard().last();

        here.heard().ask(Moment::now());
        assert!(here.heard().asked().is_some());
        assert!(pin!(&mut pulse).poll(&mut cx).is_pending());
        assert!(here.heard().asked().is_none());
        assert!(here.heard().last() >= first && first.nanos() > 0);

        let held = Arc::new(());
        let by_pool = Arc::clone(&held);
        here.pool(move |job| {
            let _held = &by_pool;
            job();
        });
        drop(pulse);
        assert_eq!(Arc::strong_count(&held), 1, "the runtime is let go");
        here.heard().ask(Moment::now());
        assert!(!here.heard().beats() && here.heard().asked().is_none());
    }

    #[test]
    fn the_pulse_of_a_loop_that_was_left_ends_and_the_next_loop_has_its_own() {
        let loops = EventLoops::default();
        let here = loops.here();
        let mut pulse = Box::pin(here.pulse().expect("the first"));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(pulse.as_mut().poll(&mut cx).is_pending());
        loops.leave(&here);
        assert!(woken.0.load(Ordering::SeqCst));
        assert!(pulse.as_mut().poll(&mut cx).is_ready());
        assert!(
            loops.here().pulse().is_some(),
            "a next server on this thread"
        );
    }
}
