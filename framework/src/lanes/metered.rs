//! Measures a future that runs on a lane, so that the next of its kind is placed by what this one cost.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;

use super::terms::JobKey;
use crate::{
    clock::Stopwatch,
    cost::CostMemo,
    lane::{Bill, Place},
};

pin_project! {
    /// A future whose polls are measured and attributed to its kind.
    pub(super) struct Metered<Fut> {
        #[pin]
        future: Fut,
        memo: Arc<CostMemo>,
        key: JobKey,
        cost: Duration,
        bill: Option<Bill>,
        polled: bool,
    }
}

impl<Fut> Metered<Fut> {
    pub(super) fn new(future: Fut, memo: Arc<CostMemo>, key: JobKey) -> Self {
        Self {
            future,
            memo,
            key,
            cost: Duration::ZERO,
            bill: None,
            polled: false,
        }
    }
}

impl<Fut: Future> Future for Metered<Fut> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !std::mem::replace(this.polled, true) {
            // Its flow pays for all of its polls, and the job ends with the first.
            *this.bill = Bill::take_over();
        }
        let watch = Stopwatch::start();
        let polled = attribute(*this.key, || this.future.poll(cx));
        *this.cost += watch.cost();
        if polled.is_ready() {
            if let Some(key) = this.key.get() {
                this.memo.record(key, *this.cost);
            }
            if let Some(bill) = this.bill.take() {
                bill.settle(*this.cost);
            }
        }
        polled
    }
}

/// Runs `work` on the calling lane thread as part of the job of that key.
pub(super) fn attribute<T>(key: JobKey, work: impl FnOnce() -> T) -> T {
    let _attributed = Attributed(Place::attribute(key.word()));
    work()
}

/// Puts the key back that was there before.
struct Attributed(u64);

impl Drop for Attributed {
    fn drop(&mut self) {
        Place::attribute(self.0);
    }
}
