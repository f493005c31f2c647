//! Finds out whether an event loop's pool for blocking work still takes any: by giving it something to do that is nothing.
//!
//! The idea of the probe is that of Finagle's offload filter, which measures the delay of its pool by no-ops.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{clock::Moment, event_loop::EventLoop};

/// The probes of one event loop's pool.
#[derive(Debug, Default)]
pub(super) struct PoolProbe {
    sent: Option<(Moment, Arc<AtomicBool>)>,
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
        match &self.sent {
            Some((at, through)) if !through.load(Ordering::Acquire) => {
                return Some((*at, now.since(*at)));
            }
            Some((at, _)) if now.since(*at) < every => return None,
            _ => {}
        }
        // One that has ended is not asked.
        let to_pool = event_loop
            .to_pool()
            .filter(|_| event_loop.heard().beats())?;
        let through = Arc::new(AtomicBool::new(false));
        let probe = Through(Arc::clone(&through));
        self.sent = Some((now, through));
        // A runtime that is out of threads or about to end may panic; the closure is dropped then, which is all right.
        let _sent = catch_unwind(AssertUnwindSafe(|| to_pool(Box::new(move || drop(probe)))));
        None
    }
}
