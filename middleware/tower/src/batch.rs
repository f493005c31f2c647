//! What of a response's body crosses from a lane to its connection at once.

use std::{
    any::Any,
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_channel::mpsc;
use http_body::{Body, Frame, SizeHint};
use offload_http::{LaneVisit, panics};

use crate::{
    error::{BodyError, BoxError},
    rest::Rest,
    surroundings::Surroundings,
};

/// So much of a body crosses at once.
const BYTES: usize = 32 << 10;

/// A batch that took so long to make is sent, however little it is.
const MAKING: Duration = Duration::from_millis(40);

/// Batches that may wait in the channel beside the one that its sender always may put there, so that the connection is kept busy
/// while the lane makes the next.
const BATCHES: usize = 1;

/// What a body had to give at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) frames: VecDeque<Result<Frame<Bytes>, BoxError>>,
    bytes: usize,
    /// Nothing comes after it.
    pub(crate) is_last: bool,
    /// The body says that its last frame was the last, before it is asked for another one.
    pub(crate) says_so: bool,
}

pub(crate) type BatchSender = mpsc::Sender<Batch>;
pub(crate) type Batches = mpsc::Receiver<Batch>;

/// A body that is made on a lane.
pub(crate) struct Making<B> {
    /// `None` at its end.
    body: Option<Pin<Box<B>>>,
    visit: LaneVisit,
    surroundings: Surroundings,
    batch: Batch,
}

impl<B> Making<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(body: Pin<Box<B>>, visit: LaneVisit, surroundings: Surroundings) -> Self {
        Self {
            body: Some(body),
            visit,
            surroundings,
            batch: Batch::default(),
        }
    }

    /// What is known of its size before anything is taken from it.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
    }

    /// What it has at once, which may be nothing.
    pub(crate) fn first(&mut self, cx: &mut Context<'_>) -> Batch {
        let _nothing_more_now = self.fill(cx);
        std::mem::take(&mut self.batch)
    }

    /// Makes the rest, no faster than it is taken, until nobody wants it.
    pub(crate) async fn send_all(mut self, mut sender: BatchSender) {
        loop {
            // The room comes first: nothing is made before it can be sent.
            let room = std::future::poll_fn(|cx| sender.poll_ready(cx)).await;
            if room.is_err() {
                break;
            }
            std::future::poll_fn(|cx| self.fill(cx)).await;
            let batch = std::mem::take(&mut self.batch);
            let is_last = batch.is_last;
            if sender.try_send(batch).is_err() {
                break;
            }
            if is_last {
                self.complete();
                break;
            }
            // What is taken as fast as it is made would have its thread for itself.
            let mut rest = Rest::default();
            std::future::poll_fn(|cx| rest.poll_turn(cx)).await;
        }
    }

    /// Ready once there is something to send.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let began = Instant::now();
        while !self.batch.is_last {
            let nothing = self.batch.frames.is_empty();
            if self.batch.bytes >= BYTES || !nothing && began.elapsed() >= MAKING {
                break;
            }
            match self.poll_frame(cx) {
                Poll::Pending if nothing => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(None) => self.batch.is_last = true,
                Poll::Ready(Some(Ok(frame))) => {
                    self.batch.bytes += frame.data_ref().map_or(0, Bytes::len);
                    self.batch.frames.push_back(Ok(frame));
                    // Asked nothing more, as no connection would.
                    if self.body.as_ref().is_some_and(|body| body.is_end_stream()) {
                        self.batch.is_last = true;
                        self.batch.says_so = true;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.batch.frames.push_back(Err(error));
                    self.batch.is_last = true;
                }
            }
        }
        if self.batch.is_last {
            self.end();
        }
        Poll::Ready(())
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let surroundings = &self.surroundings;
        let poll = || surroundings.enter(|| body.as_mut().poll_frame(cx));
        match self.visit.poll_chunk(poll) {
            Ok(polled) => polled.map(|next| next.map(|item| item.map_err(Into::into))),
            Err(panic) => {
                self.log(&*panic);
                Poll::Ready(Some(Err(BodyError::Panicked.into())))
            }
        }
    }
}

impl<B> Making<B> {
    /// All of it has been sent.
    pub(crate) fn complete(&mut self) {
        self.visit.complete();
    }

    fn log(&self, panic: &(dyn Any + Send)) {
        let route = self.visit.route().map(|route| &**route);
        self.visit.in_scope(|| panics::log(route, panic));
    }

    /// Its destructor is the app's.
    fn end(&mut self) {
        let Some(body) = self.body.take() else { return };
        let surroundings = &self.surroundings;
        let dropped = self.visit.poll_chunk(|| surroundings.enter(|| drop(body)));
        if let Err(panic) = dropped {
            self.log(&*panic);
        }
    }
}

impl<B> Drop for Making<B> {
    fn drop(&mut self) {
        self.end();
    }
}

/// A channel for what comes after the first batch.
pub(crate) fn channel() -> (BatchSender, Batches) {
    mpsc::channel(BATCHES)
}
