//! Lets a worker look after everything else before the next poll of what may keep it.

use std::task::{Context, Poll};

/// The turns of one request or body that is heavy and that no lane takes now.
///
/// A task that wakes itself is polled again after all others that are ready, and after a look at timers and sockets. So of many such
/// requests each worker polls one, and then serves everybody else.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    rested: bool,
}

impl Rest {
    /// Ready once for each time that it was pending.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.rested = !self.rested;
        if self.rested {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
