//! A request at work on a lane: the whole of it, with its extractors, its handler and the making of its response.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use bytes::Bytes;
use futures_channel::oneshot;
use http::Response;
use http_body::{Body, SizeHint};
use offload_http::{
    Answer, End, LaneVisit, Stub, Ticket, Timing,
    panics::{self, PanicPayload},
};

use crate::{
    batch::{Batch, BatchSender, Batches, Making, channel},
    error::BoxError,
    naming::Protocol,
    slot::Slot,
    surroundings::Surroundings,
};

/// A handler's future, wherever it runs.
pub(crate) type Handler<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

/// What comes back of a request.
pub(crate) struct Reply<E> {
    pub(crate) outcome: Outcome<E>,
    pub(crate) timing: Timing,
    /// The name of the lane thread.
    pub(crate) thread: Option<String>,
}

pub(crate) enum Outcome<E> {
    Response(Response<Seed>),
    Error(E),
    Panicked(Answer),
}

/// A response's body as it leaves its lane.
pub(crate) struct Seed {
    pub(crate) stub: Stub,
    pub(crate) first: Batch,
    /// `None` if the first is all.
    pub(crate) rest: Option<Batches>,
    pub(crate) size: SizeHint,
    /// It said that it was empty before it was asked for anything.
    pub(crate) was_empty: bool,
}

/// Runs a request on the calling lane thread, and on whichever of the lane's threads it is woken.
pub(crate) async fn serve<B, E>(
    handler: Slot<Handler<B, E>>,
    ticket: Ticket,
    surroundings: Surroundings,
    protocol: Protocol,
    reply: oneshot::Sender<Reply<E>>,
) where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Some(handler) = handler.take() else {
        return; // Whoever gave it here had no patience.
    };
    let mut visit = ticket.begin();
    let ran = Run {
        handler: Some(handler),
        visit: &mut visit,
        surroundings: &surroundings,
    }
    .await;
    let name = thread::current().name().map(str::to_owned);
    // Whether somebody waits for it.
    let send = |outcome, timing| {
        let reply_with = Reply {
            outcome,
            timing,
            thread: name,
        };
        reply.send(reply_with).is_ok()
    };
    let response = match ran {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let timing = visit.finish(End::Failed);
            if send(Outcome::Error(error), timing) {
                visit.complete();
            }
            return;
        }
        Err(panic) => {
            let timing = visit.finish(End::Panicked);
            let route = visit.route().map(|route| &**route);
            let answer = visit.in_scope(|| panics::answer(route, &*panic));
            visit.answered(answer.status());
            if send(Outcome::Panicked(answer), timing) {
                visit.complete();
            }
            return;
        }
    };
    let timing = visit.finish(protocol.end_of(&response));
    visit.answered(response.status().as_u16());
    let stub = visit.stub();
    let (head, body) = response.into_parts();
    let was_empty = body.is_end_stream();
    let mut making = Making::new(Box::pin(body), visit, surroundings.clone());
    let size = making.size_hint();
    let first = poll_fn(|cx| Poll::Ready(making.first(cx))).await;
    let (sender, rest) = match first.is_last {
        true => (None, None),
        false => {
            let (sender, rest) = channel();
            (Some(sender), Some(rest))
        }
    };
    let seed = Seed {
        stub,
        first,
        rest,
        size,
        was_empty,
    };
    let outcome = Outcome::Response(Response::from_parts(head, seed));
    if send(outcome, timing) {
        match sender {
            Some(sender) => making.send_all(sender).await,
            None => making.complete(),
        }
    }
}

/// A handler at work. Its destructors are part of the request, also if it is dropped half done because its client has gone.
struct Run<'a, B, E> {
    /// `None` at its end.
    handler: Option<Handler<B, E>>,
    visit: &'a mut LaneVisit,
    surroundings: &'a Surroundings,
}

impl<B, E> Future for Run<'_, B, E> {
    type Output = Result<Result<Response<B>, E>, PanicPayload>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            handler,
            visit,
            surroundings,
        } = self.get_mut();
        let polled = visit.poll(|| {
            surroundings.enter(|| {
                let polled = handler.as_mut().map(|handler| handler.as_mut().poll(cx));
                if polled.as_ref().is_none_or(Poll::is_ready) {
                    *handler = None; // It ends where it has run.
                }
                polled
            })
        });
        match polled {
            Ok(Some(polled)) => polled.map(Ok),
            Ok(None) => unreachable!("it is not polled after its end"),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<B, E> Drop for Run<'_, B, E> {
    fn drop(&mut self) {
        let Some(handler) = self.handler.take() else {
            return;
        };
        let surroundings = self.surroundings;
        let dropped = self.visit.poll(|| surroundings.enter(|| drop(handler)));
        if let Err(panic) = dropped {
            let route = self.visit.route().map(|route| &**route);
            self.visit.in_scope(|| panics::log(route, &*panic));
        }
    }
}

/// Goes on with a body that has begun on a worker.
pub(crate) async fn go_on<B>(
    body: Slot<Pin<Box<B>>>,
    ticket: Ticket,
    surroundings: Surroundings,
    sender: BatchSender,
) where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if let Some(body) = body.take() {
        let mut visit = ticket.begin();
        // What the handler took was counted where it ran.
        visit.only_makes();
        Making::new(body, visit, surroundings)
            .send_all(sender)
            .await;
    }
}
