//! A task that each event loop runs so that others can hear whether it still comes round.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::record::EventLoop;
use crate::clock::Moment;

/// The watch's question and the loop's answer.
#[derive(Default)]
pub(crate) struct Heard {
    waker: Mutex<Option<Waker>>,
    beats: AtomicBool,
    /// When it was asked; zero once it has answered.
    asked: AtomicU64,
    /// When it came round last.
    beat: AtomicU64,
    lag: AtomicU64,
    longest_lag: AtomicU64,
}

impl Heard {
    /// Whether a pulse is there to answer.
    pub(crate) fn beats(&self) -> bool {
        self.beats.load(Ordering::Acquire)
    }

    /// When the loop came round last.
    pub(crate) fn last(&self) -> Moment {
        Moment::from_nanos(self.beat.load(Ordering::Acquire))
    }

    /// When it was asked, if it has not answered yet.
    pub(crate) fn asked(&self) -> Option<Moment> {
        match self.asked.load(Ordering::Acquire) {
            0 => None,
            at => Some(Moment::from_nanos(at)),
        }
    }

    /// Asks the loop to come round, unless its pulse is gone.
    pub(crate) fn ask(&self, now: Moment) {
        let waker = {
            let waker = self.waker();
            // Under the lock, under which the pulse goes: nobody would ever answer.
            if !self.beats() {
                return;
            }
            self.asked.store(now.nanos().max(1), Ordering::Release);
            waker.clone()
        };
        // The loop may run at once, and would find the lock taken.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has the pulse look whether its loop has ended.
    pub(super) fn stop(&self) {
        // A pulse that was not polled yet looks when it is.
        let waker = self.waker().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it took to come round when asked last: so far, if it has not.
    pub(crate) fn lag(&self, now: Moment) -> Duration {
        let measured = Duration::from_nanos(self.lag.load(Ordering::Relaxed));
        match self.asked() {
            Some(asked) => measured.max(now.since(asked)),
            None => measured,
        }
    }

    /// Whoever came when a stall began waited as long as it lasted, whether or not the watch had asked then.
    pub(crate) fn was_kept_for(&self, stalled: Duration) {
        let nanos = u64::try_from(stalled.as_nanos()).unwrap_or(u64::MAX);
        self.longest_lag.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn longest_lag(&self, now: Moment) -> Duration {
        Duration::from_nanos(self.longest_lag.load(Ordering::Relaxed)).max(self.lag(now))
    }

    fn answer(&self, cx: &Context<'_>) {
        let now = Moment::now();
        let asked = self.asked.swap(0, Ordering::AcqRel);
        if asked != 0 {
            let lag = now.nanos_since(Moment::from_nanos(asked));
            self.lag.store(lag, Ordering::Relaxed);
            self.longest_lag.fetch_max(lag, Ordering::Relaxed);
        }
        self.beat.store(now.nanos(), Ordering::Release);
        match self.waker.try_lock() {
            Ok(mut waker) => keep(&mut waker, cx.waker()),
            Err(TryLockError::Poisoned(waker)) => keep(&mut waker.into_inner(), cx.waker()),
            // The watch is at it for a moment. The loop does not wait: it comes round again.
            Err(TryLockError::WouldBlock) => cx.waker().wake_by_ref(),
        }
    }
}

fn keep(kept: &mut Option<Waker>, waker: &Waker) {
    match kept {
        Some(kept) => kept.clone_from(waker),
        None => *kept = Some(waker.clone()),
    }
}

/// A task for an event loop to run as long as it lives; see [`EventLoop::pulse`]. Ready once the loop was
/// [left](super::EventLoops::leave).
///
/// Dropping it tells the watch that the loop has ended.
#[must_use = "the event loop has to run it"]
pub struct Pulse(Arc<EventLoop>);

impl Pulse {
    /// `None` if the loop runs one already.
    pub(super) fn start(event_loop: &Arc<EventLoop>) -> Option<Self> {
        let heard = &event_loop.heard;
        let started = !heard.beats.swap(true, Ordering::AcqRel);
        started.then(|| Self(Arc::clone(event_loop)))
    }
}

impl Future for Pulse {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.heard.answer(cx);
        // Looked at once there is a waker, so that no end is missed.
        if self.0.has_ended() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let heard = &self.0.heard;
        let waker = {
            let mut waker = heard.waker();
            heard.beats.store(false, Ordering::Release);
            heard.asked.store(0, Ordering::Release);
            waker.take()
        };
        // Outside of the lock: they may be the last hold on whatever a runtime has behind them.
        drop(waker);
        drop(self.0.take_pool());
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard")
            .field("beats", &self.beats())
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulse").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{pin::pin, task::Wake};

    use super::*;
    use crate::event_loop::EventLoops;

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
        let first = here.heard.last();

        here.heard.ask(Moment::now());
        assert!(here.heard.asked().is_some());
        assert!(pin!(&mut pulse).poll(&mut cx).is_pending());
        assert!(here.heard.asked().is_none());
        assert!(here.heard.last() >= first && first.nanos() > 0);

        let held = Arc::new(());
        let by_pool = Arc::clone(&held);
        here.pool(move |job| {
            let _held = &by_pool;
            job();
        });
        drop(pulse);
        assert_eq!(Arc::strong_count(&held), 1, "the runtime is let go");
        here.heard.ask(Moment::now());
        assert!(!here.heard.beats() && here.heard.asked().is_none());
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
