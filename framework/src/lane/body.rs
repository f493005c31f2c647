//! The future that a job is on its lane: it keeps panics as values, settles the job's ticket and carries the span.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tracing::Span;

use super::{
    cancel::CancelToken,
    ledger::{End, Ticket},
};
use crate::quiet::{self, Payload, Quiet};

/// What a job leaves behind: its value, or what it panicked with.
pub(crate) type Outcome<T> = Quiet<Result<T, Payload>>;

pin_project! {
    /// A job's future. It never unwinds, neither when polled nor when dropped.
    pub(crate) struct Body<Fut> {
        #[pin]
        future: Option<Fut>,
        span: Span,
        // Both are known from the first poll on.
        ticket: Option<Ticket>,
        token: Option<CancelToken>,
    }

    impl<Fut> PinnedDrop for Body<Fut> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            clear(this.future, this.span);
        }
    }
}

impl<Fut: Future> Body<Fut> {
    /// Wraps `future`, to run inside the span that is current here.
    pub(crate) fn new(future: Fut) -> Self {
        Self {
            future: Some(future),
            span: Span::current(),
            ticket: None,
            token: None,
        }
    }
}

impl<Fut: Future> Future for Body<Fut> {
    type Output = Outcome<Fut::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Pending; // Polled after the end, which async-task never does.
        };
        let token = this.token.get_or_insert_with(|| {
            *this.ticket = Ticket::take_offered();
            CancelToken::current()
        });
        let poll = || token.scope(|| this.span.in_scope(|| future.poll(cx)));
        let (outcome, end) = match quiet::catch(poll) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => (Ok(value), End::Returned),
            Err(payload) => (Err(payload), End::Panicked),
        };
        let outcome = Quiet::new(outcome);
        clear(this.future, this.span);
        if let Some(ticket) = this.ticket.take() {
            ticket.end(end);
        }
        Poll::Ready(outcome)
    }
}

/// Drops the foreign future, whose destructor may panic.
fn clear<Fut>(mut future: Pin<&mut Option<Fut>>, span: &Span) {
    if let Err(payload) = quiet::catch(|| span.in_scope(|| future.set(None))) {
        quiet::report("a destructor", payload);
    }
}

/// A closure as a future that is ready at its first poll.
pub(crate) struct Call<F>(Option<F>);

// The closure is moved out and called; it is never pinned.
impl<F> Unpin for Call<F> {}

impl<F> Call<F> {
    pub(crate) fn new(call: F) -> Self {
        Self(Some(call))
    }
}

impl<T, F: FnOnce() -> T> Future for Call<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        self.0
            .take()
            .map_or(Poll::Pending, |call| Poll::Ready(call()))
    }
}
