//! Whether an event loop still comes round: the watch asks, and the loop's pulse answers.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

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
    /// A pulse is there to answer from now on. False if there was one before.
    pub(super) fn begin(&self) -> bool {
        !self.beats.swap(true, Ordering::AcqRel)
    }

    /// The pulse is gone.
    pub(super) fn end(&self) {
        let waker = {
            let mut waker = self.waker();
            self.beats.store(false, Ordering::Release);
            self.asked.store(0, Ordering::Release);
            waker.take()
        };
        // Outside of the lock: it may be the last hold on whatever a runtime has behind it.
        drop(waker);
    }

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

    /// The loop comes round.
    pub(super) fn answer(&self, cx: &Context<'_>) {
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

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard")
            .field("beats", &self.beats())
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}
