//! Two futures of which the first to be ready wins.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// Which one it was, with its output.
pub(crate) enum Won<A, B> {
    First(A),
    Second(B),
}

/// Polls both until one is ready. If both are, it is the first.
pub(crate) async fn race<A: Future, B: Future>(
    mut first: Pin<&mut A>,
    mut second: Pin<&mut B>,
) -> Won<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Won::First(output));
        }
        second.as_mut().poll(cx).map(Won::Second)
    })
    .await
}
