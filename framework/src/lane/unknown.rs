//! What one lane thread has at work of which nothing is known, so that others of its kind stay away once it computes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::admission::Flow;

/// Locked by the thread itself at the beginning and the end of such work, and tried by the lane's watch in between.
#[derive(Debug, Default)]
pub(super) struct Unknown(Mutex<Option<AtWork>>);

#[derive(Debug)]
struct AtWork {
    flow: Arc<Flow>,
    computes: bool,
}

impl Unknown {
    /// It begins, and this is whose it is.
    pub(super) fn begin(&self, flow: &Arc<Flow>) {
        let at_work = AtWork {
            flow: Arc::clone(flow),
            computes: false,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at_work);
    }

    /// It has ended.
    pub(super) fn end(&self) {
        let at_work = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(at_work) = at_work
            && at_work.computes
        {
            at_work.flow.one_computes_less();
        }
    }

    /// Whose it is, if anybody's. Never waits, and may say nobody's in doubt.
    pub(super) fn flow(&self) -> Option<Arc<Flow>> {
        let at_work = self.0.try_lock().ok()?;
        at_work.as_ref().map(|it| Arc::clone(&it.flow))
    }

    /// It has computed for longer than what is light, if it is `still` at work. Never waits: who asks comes again.
    pub(super) fn computes(&self, still: impl FnOnce() -> bool) {
        if let Ok(mut at_work) = self.0.try_lock()
            && let Some(at_work) = at_work.as_mut()
            && !at_work.computes
            && still()
        {
            at_work.computes = true;
            at_work.flow.one_computes();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_flow_computes_until_the_last_one_has_ended() {
        let (flow, threads) = (Flow::unnamed(), [Unknown::default(), Unknown::default()]);
        threads[0].computes(|| true);
        assert!(threads[0].flow().is_none(), "at rest");
        for thread in &threads {
            thread.begin(&flow);
            assert!(thread.flow().is_some());
        }
        threads[0].computes(|| false);
        assert!(!flow.computes());
        for thread in [0, 1, 1] {
            threads[thread].computes(|| true);
        }
        threads[0].end();
        assert!(flow.computes());
        threads[1].end();
        assert!(!flow.computes());
        // Where they have nothing in common one says nothing of the others.
        let mixed = Flow::mixed();
        threads[0].begin(&mixed);
        threads[0].computes(|| true);
        mixed.learn_at_least(std::time::Duration::from_secs(1));
        assert!(!mixed.computes() && mixed.at_least().is_none());
        threads[1].begin(&mixed);
        threads[1].computes(|| true);
        assert!(mixed.computes());
        threads[0].end();
        threads[1].end();
        // One that has not computed counts for nothing.
        threads[0].begin(&flow);
        threads[0].end();
        assert!(!flow.computes());
    }
}
