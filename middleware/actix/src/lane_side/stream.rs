//! Makes a response body on a lane thread while it is sent, no faster than the connection takes it.

use std::{
    any::Any,
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::MessageBody;
use futures_util::future::{Either, select};
use offload_http::spans::Running;

use super::{
    run::{LaneHost, contained},
    subject::Subject,
};
use crate::{
    hop::{
        reply::Tail,
        stream::{Batch, BatchSender, BodyError},
    },
    panics,
};

/// A body that is being made.
pub(super) struct Making<'a, B> {
    // `None` at the end.
    body: Pin<Box<Option<B>>>,
    sender: BatchSender,
    subject: &'a Subject,
    host: &'a Rc<LaneHost>,
    spans: &'a Running,
    /// What is to be sent next.
    batch: Batch,
    paused: bool,
    /// Whether all of it was sent.
    complete: bool,
    cost: Duration,
}

impl<'a, B: MessageBody + 'static> Making<'a, B> {
    pub(super) fn new(
        (body, sender): Tail<B>,
        subject: &'a Subject,
        host: &'a Rc<LaneHost>,
        spans: &'a Running,
    ) -> Self {
        Self {
            body: Box::pin(Some(body)),
            sender,
            subject,
            host,
            spans,
            batch: Batch::default(),
            paused: false,
            complete: false,
            cost: Duration::ZERO,
        }
    }

    /// Makes the first batch, if it can be made without a wait, and sends it ahead of the head, so that both are there at
    /// once.
    pub(super) async fn begin(&mut self) {
        if poll_fn(|cx| Poll::Ready(self.fill(cx))).await.is_ready() {
            self.complete = self.batch.is_last();
            // The channel is empty and has its receiver.
            let _sent = self.sender.try_send(mem::take(&mut self.batch));
        }
    }

    /// Makes and sends the rest, if the head was `sent`. Returns what all of it has cost.
    pub(super) async fn go_on(mut self, sent: bool) -> Duration {
        let complete = sent && self.send_all().await;
        let (dropped, _) = contained(self.host, self.spans, || self.body.set(None));
        if let Err(panic) = dropped {
            log(self.subject, self.spans, &*panic);
        }
        self.spans.ended(complete);
        if !complete && let Some(route) = &self.subject.route {
            route.count_cancelled();
        }
        self.cost
    }

    /// False if nobody waits for it any more.
    async fn send_all(&mut self) -> bool {
        let sender = self.sender.clone();
        while !self.complete {
            // The room comes first: nothing is made before it can be sent.
            let Ok(room) = sender.reserve().await else {
                return false;
            };
            let filled = poll_fn(|cx| self.fill(cx));
            let Either::Left(_) = select(filled, pin!(sender.closed())).await else {
                return false;
            };
            let batch = mem::take(&mut self.batch);
            self.complete = batch.is_last();
            room.send(batch);
        }
        true
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let budget = self.subject.core.table.rules().budget;
        self.batch.fill(&mut self.paused, || {
            let body = self.body.as_mut().as_pin_mut();
            let body = body.expect("it is dropped at the end only");
            let (polled, cost) = contained(self.host, self.spans, || body.poll_next(cx));
            self.cost += cost;
            if cost > budget {
                // A heavy chunk would freeze an event loop as a heavy handler does.
                self.subject.observe_chunk(cost);
            }
            let polled = match polled {
                Ok(polled) => polled.map(|next| next.map(|item| item.map_err(failed))),
                Err(panic) => {
                    log(self.subject, self.spans, &*panic);
                    Poll::Ready(Some(Err(BodyError::Panicked)))
                }
            };
            (polled, cost)
        })
    }
}

fn log(subject: &Subject, spans: &Running, panic: &(dyn Any + Send)) {
    spans.in_scope(|| panics::log(subject.route.as_ref(), panic));
}

fn failed(error: impl Into<Box<dyn std::error::Error>>) -> BodyError {
    BodyError::Failed(error.into().to_string())
}
