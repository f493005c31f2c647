//! Finds out whether an event loop's pool for blocking work still takes any: by giving it something to do that is nothing.
//!
//! The idea of the probe is that of Finagle's offload filter, which measures the delay of its pool by no-ops.
//!
//! A pool that has no thread starts one for the probe, and tokio's panics if the system gives none. So a probe is sent only if the
//! last one has just gone through, which means that the pool has a thread, or else if a thread could be had a moment ago. In
//! the tens of microseconds in between another may take the last thread there is; the panic is caught then, unless the program has it end
//! the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{clock::Moment, event_loop::EventLoop, os, quiet};

/// So long after a probe the thread that ran it is still there. Tokio's pools keep one for 10 s.
const STAYS: Duration = Duration::from_secs(5);

/// The probes of one event loop's pool.
#[derive(Debug, Default)]
pub(super) struct PoolProbe {
    /// When the last one was sent.
    sent: Option<Moment>,
    /// Whether it is through, while it is not.
    waits: Option<Arc<AtomicBool>>,
    /// When one was through last, so that the pool had a thread.
    had_thread: Option<Moment>,
    /// Since when no thread could be had, as far as is known.
    without: Option<Moment>,
}

/// Says that a probe is through, run or dropped.
struct Through(Arc<AtomicBool>);

impl Drop for Through {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl PoolProbe {
    /// How long the present probe has been waiting, if it still does. Sends the next one if `every` has passed since the last.
    pub(super) fn look(
        &mut self,
        event_loop: &EventLoop,
        now: Moment,
        every: Duration,
    ) -> Option<(Moment, Duration)> {
        if let (Some(at), Some(through)) = (self.sent, &self.waits) {
            if !through.load(Ordering::Acquire) {
                return Some((at, now.since(at)));
            }
            self.waits = None;
            self.had_thread = Some(now);
        }
        let last = self.sent.max(self.without);
        if last.is_some_and(|at| now.since(at) < every) {
            return None;
        }
        // One that has ended is not asked.
        let to_pool = event_loop
            .to_pool()
            .filter(|_| event_loop.heard().beats())?;
        let has_thread = self.had_thread.is_some_and(|at| now.since(at) < STAYS);
        if !has_thread && !self.may_get_thread(event_loop, now) {
            return None;
        }
        self.without = None;
        let through = Arc::new(AtomicBool::new(false));
        let probe = Through(Arc::clone(&through));
        match quiet::catch(|| to_pool(Box::new(move || drop(probe)))) {
            Ok(()) => (self.sent, self.waits) = (Some(now), Some(through)),
            // It has no thread after all, and may keep the closure for when it has one: that is no pool that is full.
            Err(panic) => {
                quiet::report("a blocking pool that was asked whether it is full", panic);
                (self.without, self.had_thread) = (Some(now), None);
            }
        }
        None
    }

    /// Whether the system would give the pool a thread. Once it does not that is logged, until it does again.
    fn may_get_thread(&mut self, event_loop: &EventLoop, now: Moment) -> bool {
        let Err(error) = os::rehearse_threads(1) else {
            return true;
        };
        if self.without.replace(now).is_none() {
            let thread = event_loop.name();
            tracing::warn!(
                target: "offload",
                thread,
                %error,
                "no thread can be had for the blocking pool of {thread}: what is given to it may fail"
            );
        }
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        panic::resume_unwind,
        sync::{Mutex, PoisonError},
    };

    use super::*;
    use crate::event_loop::EventLoops;

    const EVERY: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(1 + seconds * 1_000_000_000)
    }

    #[test]
    fn a_pool_that_takes_nothing_is_told_from_one_that_panics() {
        let loops = EventLoops::default();
        let here = loops.here();
        let _pulse = here.pulse().expect("the first");
        let kept = Arc::new(Mutex::new(Vec::new()));
        let take = {
            let kept = Arc::clone(&kept);
            move |job| {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push(job);
            }
        };
        let mut probe = PoolProbe::default();
        here.pool({
            let take = take.clone();
            move |job| {
                // As tokio does it: it is in the queue by then.
                take(job);
                resume_unwind(Box::new("no thread"));
            }
        });
        for second in 0..5 {
            assert_eq!(probe.look(&here, at(second), EVERY), None, "not full");
        }
        let asked = || kept.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert_eq!(asked(), 5, "it may have a thread again");

        here.pool(take);
        assert_eq!(probe.look(&here, at(5), EVERY), None);
        let waits = Some((at(5), Duration::from_secs(2)));
        assert_eq!(probe.look(&here, at(7), EVERY), waits);
        assert_eq!(asked(), 6, "not before the last one is through");
        kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        assert_eq!(probe.look(&here, at(8), EVERY), None);
        assert_eq!(asked(), 1);
    }
}
