//! Measures a future that runs on a lane, so that the next of its kind is placed by what this one cost.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;

use super::{JobKey, attribute};
use crate::{clock::Stopwatch, cost::CostMemo};

pin_project! {
    /// A future whose polls are measured and attributed to its kind.
    pub(super) struct Metered<Fut> {
        #[pin]
        future: Fut,
        memo: Arc<CostMemo>,
        key: JobKey,
        cost: Duration,
    }
}

impl<Fut> Metered<Fut> {
    pub(super) fn new(future: Fut, memo: Arc<CostMemo>, key: JobKey) -> Self {
        Self {
            future,
            memo,
            key,
            cost: Duration::ZERO,
        }
    }
}

impl<Fut: Future> Future for Metered<Fut> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let watch = Stopwatch::start();
        let polled = attribute(*this.key, || this.future.poll(cx));
        *this.cost += watch.cost();
        if let (Poll::Ready(_), Some(key)) = (&polled, this.key.get()) {
            this.memo.record(key, *this.cost);
        }
        polled
    }
}
