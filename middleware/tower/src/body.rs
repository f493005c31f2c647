//! The body of a response, wherever it is made.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_channel::mpsc;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use offload_core::Task;
use offload_http::{Stub, Visit, drain::Pass, panics};

use crate::{
    batch::{Batch, Batches, channel},
    error::{BodyError, BoxError},
    lane::{self, Seed},
    rest::Rest,
    slot::Slot,
    surroundings::Surroundings,
};

/// The body of a response of a service under an [`OffloadLayer`](crate::OffloadLayer).
///
/// A stream of a lane is made there, no faster than its connection takes it. One of a worker is measured, and goes on on a lane
/// once it is found to be heavy.
///
/// # Errors
///
/// The body's own; [`BodyError::Panicked`] if it panicked; [`BodyError::Lost`] if its lane ended first.
///
/// # Cancel safety
///
/// Dropping it ends the making on the lane at its next await, and counts as a client that left.
pub struct OffloadBody<B>(Inner<B>);

enum Inner<B> {
    /// All of it is there.
    Whole(Whole),
    /// None of the layer's business.
    Bare(Pin<Box<B>>),
    Here(Box<Here<B>>),
    Lane(Box<FromLane<B>>),
    Over,
}

/// A body of one frame or none.
pub(crate) struct Whole {
    frame: Option<Item>,
    size: SizeHint,
    /// It said that it was empty before it was asked for anything.
    was_empty: bool,
    /// It said that its frame was the last, before it was asked for another one.
    says_so: bool,
}

/// What a body had at once, in the poll in which its handler answered. Most bodies are whole then.
pub(crate) enum Beginning<B> {
    Whole(Whole),
    Rest {
        first: Option<Item>,
        body: Pin<Box<B>>,
    },
}

/// A body that is made where it is sent.
struct Here<B> {
    /// What it had at once.
    first: Option<Item>,
    body: Pin<Box<B>>,
    visit: Visit,
    rest: Rest,
    /// No lane takes it now, so it takes turns.
    stays: bool,
    complete: bool,
    owed: Owed,
    /// If it has been on its way to a lane.
    _pass: Option<Pass>,
}

/// A body that is made on a lane.
struct FromLane<B> {
    batch: Batch,
    rest: Option<Batches>,
    size: SizeHint,
    was_empty: bool,
    stub: Stub,
    /// Dropped with it, which ends the making.
    _task: Task<()>,
    /// Where it has come from, if it has begun on a worker and no lane has taken it yet.
    origin: Option<Origin<B>>,
    owed: Owed,
    /// There is one until it goes on elsewhere.
    pass: Option<Pass>,
}

/// What the response's head has announced of its body and nobody has taken yet, if it has.
#[derive(Clone, Copy)]
struct Owed(Option<u64>);

struct Origin<B> {
    slot: Slot<Pin<Box<B>>>,
    visit: Visit,
}

type Item = Result<Frame<Bytes>, BoxError>;
type Next = Poll<Option<Item>>;

impl<B> OffloadBody<B> {
    /// The layer's own.
    pub(crate) fn own(bytes: Option<Bytes>) -> Self {
        Self(Inner::Whole(Whole {
            size: SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            was_empty: bytes.is_none(),
            frame: bytes.map(|bytes| Ok(Frame::data(bytes))),
            says_so: true,
        }))
    }

    pub(crate) fn bare(body: B) -> Self {
        Self(Inner::Bare(Box::pin(body)))
    }

    pub(crate) fn of_lane(seed: Seed, task: Task<()>, pass: Pass, head: &HeaderMap) -> Self {
        Self(Inner::Lane(Box::new(FromLane {
            batch: seed.first,
            rest: seed.rest,
            size: seed.size,
            was_empty: seed.was_empty,
            stub: seed.stub,
            _task: task,
            origin: None,
            owed: Owed::by(head),
            pass: Some(pass),
        })))
    }
}

impl<B> OffloadBody<B> {
    /// A body of a request that has run on a worker.
    pub(crate) fn here(begun: Beginning<B>, visit: Visit, head: &HeaderMap) -> Self {
        Self(match begun {
            Beginning::Whole(whole) => Inner::Whole(whole),
            Beginning::Rest { first, body } => Inner::Here(Box::new(Here {
                first,
                body,
                visit,
                rest: Rest::default(),
                stays: false,
                complete: false,
                owed: Owed::by(head),
                _pass: None,
            })),
        })
    }
}

impl Owed {
    fn by(head: &HeaderMap) -> Self {
        let length = head.get(header::CONTENT_LENGTH);
        Self(length.and_then(|length| length.to_str().ok()?.parse().ok()))
    }

    fn take(&mut self, item: Option<&Item>) {
        let data = item.and_then(|item| item.as_ref().ok()?.data_ref());
        let bytes = data.map_or(0, |data| data.len() as u64);
        self.0 = self.0.map(|owed| owed.saturating_sub(bytes));
    }

    /// A server asks nothing more then, not even whether there is more.
    fn is_paid(self) -> bool {
        self.0 == Some(0)
    }
}

impl<B> Beginning<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// Asks a body for what it has at once.
    pub(crate) fn of(body: B, cx: &mut Context<'_>) -> Self {
        let size = body.size_hint();
        let was_empty = body.is_end_stream();
        let whole = |frame, says_so| {
            Self::Whole(Whole {
                frame,
                size,
                was_empty,
                says_so,
            })
        };
        if was_empty {
            return whole(None, true);
        }
        let mut body = Box::pin(body);
        match body.as_mut().poll_frame(cx) {
            Poll::Pending => Self::Rest { first: None, body },
            Poll::Ready(None) => whole(None, false),
            Poll::Ready(Some(Ok(frame))) if body.is_end_stream() => whole(Some(Ok(frame)), true),
            Poll::Ready(Some(item)) => Self::Rest {
                first: Some(item.map_err(Into::into)),
                body,
            },
        }
    }
}

impl<B> Here<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Next {
        let body = self.body.as_mut();
        match self.visit.poll_chunk(|| body.poll_frame(cx)) {
            Ok(polled) => {
                if polled.is_pending() {
                    self.visit.rested();
                }
                let next = ready!(polled).map(|item| item.map_err(Into::into));
                let failed = matches!(next, Some(Err(_)));
                self.complete = next.is_none() || failed || self.body.is_end_stream();
                Poll::Ready(next)
            }
            Err(panic) => {
                panics::log(self.visit.route().map(|route| &**route), &*panic);
                self.complete = true;
                Poll::Ready(Some(Err(BodyError::Panicked.into())))
            }
        }
    }

    /// Has the rest made on a lane. What no lane takes stays.
    fn go_to_lane(self) -> Inner<B> {
        let Some(ticket) = self.visit.ticket() else {
            return self.stay();
        };
        let (sender, rest) = channel();
        let size = self.body.size_hint();
        let slot = Slot::of(self.body);
        let (lanes, terms) = (ticket.lanes().clone(), ticket.terms().clone());
        let (stub, pass) = (ticket.stub(), ticket.enter());
        let made = lane::go_on(slot.clone(), ticket, Surroundings::here(), sender);
        let task = lanes.submit_future(&terms, made);
        stub.submitted();
        Inner::Lane(Box::new(FromLane {
            batch: Batch::default(),
            rest: Some(rest),
            size,
            was_empty: false,
            stub,
            _task: task,
            origin: Some(Origin {
                slot,
                visit: self.visit,
            }),
            owed: self.owed,
            pass: Some(pass),
        }))
    }

    fn stay(mut self) -> Inner<B> {
        self.stays = true;
        Inner::Here(Box::new(self))
    }
}

impl<B> FromLane<B> {
    fn is_complete(&self) -> bool {
        self.batch.is_last && self.batch.frames.is_empty()
    }

    /// The next frame; or what has come back, because no lane has taken it.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Item>, Here<B>>> {
        loop {
            if let Some(item) = self.batch.frames.pop_front() {
                if let Ok(frame) = &item {
                    self.size = less(&self.size, frame.data_ref().map_or(0, Bytes::len));
                }
                return Poll::Ready(Ok(Some(item)));
            }
            if self.batch.is_last {
                return Poll::Ready(Ok(None));
            }
            let Some(rest) = &mut self.rest else {
                return Poll::Ready(Ok(None));
            };
            match ready!(poll_next(rest, cx)) {
                Some(batch) => {
                    self.batch = batch;
                    if let Some(origin) = &mut self.origin {
                        origin.visit.moved();
                    }
                }
                None => {
                    self.rest = None;
                    let origin = self.origin.take();
                    if let Some(origin) = origin
                        && let Some(body) = origin.slot.take()
                    {
                        // It is whoever waits for it that says whether it left.
                        self.batch.is_last = true;
                        return Poll::Ready(Err(Here {
                            first: None,
                            body,
                            visit: origin.visit,
                            rest: Rest::default(),
                            stays: true,
                            complete: false,
                            owed: self.owed,
                            _pass: self.pass.take(),
                        }));
                    }
                    self.batch.is_last = true;
                    return Poll::Ready(Ok(Some(Err(BodyError::Lost.into()))));
                }
            }
        }
    }
}

fn poll_next(rest: &mut mpsc::Receiver<Batch>, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
    use futures_core::Stream;

    Pin::new(rest).poll_next(cx)
}

/// A size with what was taken from it already.
fn more(size: &SizeHint, first: Option<&Item>) -> SizeHint {
    let data = first.and_then(|first| first.as_ref().ok()?.data_ref());
    let bytes = data.map_or(0, |data| data.len() as u64);
    let mut all = SizeHint::new();
    all.set_lower(size.lower() + bytes);
    if let Some(upper) = size.upper() {
        all.set_upper(upper + bytes);
    }
    all
}

/// What is left of a size after so many bytes.
fn less(size: &SizeHint, bytes: usize) -> SizeHint {
    let bytes = bytes as u64;
    let mut left = SizeHint::new();
    left.set_lower(size.lower().saturating_sub(bytes));
    if let Some(upper) = size.upper() {
        left.set_upper(upper.saturating_sub(bytes));
    }
    left
}

impl<B> Body for OffloadBody<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next {
        loop {
            match &mut self.0 {
                Inner::Whole(whole) => {
                    whole.size = SizeHint::with_exact(0);
                    return Poll::Ready(whole.frame.take());
                }
                Inner::Bare(body) => {
                    let next = ready!(body.as_mut().poll_frame(cx));
                    return Poll::Ready(next.map(|item| item.map_err(Into::into)));
                }
                Inner::Here(here) => {
                    if let Some(first) = here.first.take() {
                        here.owed.take(Some(&first));
                        return Poll::Ready(Some(first));
                    }
                    if here.complete {
                        return Poll::Ready(None);
                    }
                    let moves = here.visit.should_move();
                    if moves && here.stays || here.visit.should_rest() {
                        ready!(here.rest.poll_turn(cx));
                        here.visit.rested();
                    }
                    if !moves || here.stays {
                        let next = ready!(here.poll_frame(cx));
                        here.owed.take(next.as_ref());
                        return Poll::Ready(next);
                    }
                    if let Inner::Here(here) = std::mem::replace(&mut self.0, Inner::Over) {
                        self.0 = here.go_to_lane();
                    }
                }
                Inner::Lane(lane) => match ready!(lane.poll_frame(cx)) {
                    Ok(next) => {
                        lane.owed.take(next.as_ref());
                        return Poll::Ready(next);
                    }
                    Err(here) => self.0 = Inner::Here(Box::new(here)),
                },
                Inner::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(whole) => whole.frame.is_none() && (whole.was_empty || whole.says_so),
            Inner::Bare(body) => body.is_end_stream(),
            Inner::Here(here) => {
                here.first.is_none() && (here.complete || here.body.is_end_stream())
            }
            Inner::Lane(lane) => lane.is_complete() && (lane.was_empty || lane.batch.says_so),
            Inner::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(whole) => whole.size,
            Inner::Bare(body) => body.size_hint(),
            Inner::Here(here) => more(&here.body.size_hint(), here.first.as_ref()),
            Inner::Lane(lane) => lane.size,
            Inner::Over => SizeHint::with_exact(0),
        }
    }
}

impl<B> Drop for OffloadBody<B> {
    fn drop(&mut self) {
        match &self.0 {
            Inner::Here(here) if !here.complete && !here.owed.is_paid() => here.visit.left(),
            Inner::Lane(lane) if !lane.is_complete() && !lane.owed.is_paid() => lane.stub.left(),
            Inner::Lane(lane) => lane.stub.given_up(),
            _ => {}
        }
    }
}

impl<B> fmt::Debug for OffloadBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadBody").finish_non_exhaustive()
    }
}
