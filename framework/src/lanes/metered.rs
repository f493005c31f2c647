//! Measures a future that runs on a lane, so that the next of its kind is placed by what this one cost.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;

use super::{JobKey, Lanes};
use crate::clock::Stopwatch;

pin_project! {
    /// A future whose polls are measured and attributed to its kind.
    pub(super) struct Metered<Fut> {
        #[pin]
        future: Fut,
        lanes: Lanes,
        key: JobKey,
        cost: Duration,
    }
}

impl<Fut> Metered<Fut> {
    pub(super) fn new(future: Fut, lanes: Lanes, key: JobKey) -> Self {
        Self {
            future,
            lanes,
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
        let polled = this.lanes.attribute(*this.key, || this.future.poll(cx));
        *this.cost += watch.cost();
        if polled.is_ready() {
            this.lanes.record(*this.key, *this.cost);
        }
        polled
    }
}
