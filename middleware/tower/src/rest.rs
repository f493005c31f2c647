//! Lets a thread look after everything else before it goes on with what may keep it.

use std::task::{Context, Poll};

/// The turns of one request or body that would keep its thread for long.
///
/// It is polled again after everything else that is ready. So of many such requests each worker polls one, and then serves everybody
/// else.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    rested: bool,
}

impl Rest {
    /// Ready once for each time that it was pending.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.rested = !self.rested;
        if self.rested {
            wake_last(cx);
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// tokio looks at its sockets only after 61 polls while a task that wakes itself is ready. What yields by its own means waits for that look.
#[cfg(feature = "tokio")]
fn wake_last(cx: &mut Context<'_>) {
    let yielding = std::pin::pin!(tokio::task::yield_now());
    if std::future::Future::poll(yielding, cx).is_ready() {
        cx.waker().wake_by_ref(); // It never is at its first poll.
    }
}

#[cfg(not(feature = "tokio"))]
fn wake_last(cx: &mut Context<'_>) {
    cx.waker().wake_by_ref();
}
