//! The response body on its way back from a lane: a complete one in pieces, and whatever else is a [`stream`](super::stream).

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use offload_core::JobHandle;

use super::{
    payload::Pump,
    stream::{BatchSender, BodyError, LaneStream, StreamBody},
    turn::{TURN, Turn},
};
use crate::lifetime::Pass;

/// A complete body that is longer than this is handed over in pieces of [`TURN`], and in one once no more than this is left.
/// actix writes each piece as it gets it, and copies all of it into the connection's buffer first.
///
/// The last piece must be long. A connection without `TCP_NODELAY`, which actix leaves off, keeps the last packet back until
/// the client has acknowledged the end of the piece before. A client that got two whole packets since does that
/// at once, any other may take 40 ms (RFC 1122, 4.2.3.2 and 4.2.3.4). On a loopback device two packets are just below 128 KiB.
const LAST: usize = 2 * TURN;

/// A body on its way between the threads.
pub(crate) enum LaneBody {
    Complete(CompleteBody),
    Stream(LaneStream),
}

/// A body that is there as a whole.
pub(crate) struct CompleteBody {
    size: BodySize,
    /// What is left of it.
    bytes: Bytes,
    turn: Turn,
}

impl CompleteBody {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        ready!(self.turn.poll(cx));
        // Only where the pieces don't show: without a length each would be a chunk of its own.
        if self.bytes.len() > LAST && matches!(self.size, BodySize::Sized(_)) {
            self.turn.moved(TURN);
            return Poll::Ready(Some(self.bytes.split_to(TURN)));
        }
        let bytes = mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(bytes))
    }
}

impl LaneBody {
    #[inline]
    pub(crate) fn complete(size: BodySize, bytes: Bytes) -> Self {
        Self::Complete(CompleteBody {
            size,
            bytes,
            turn: Turn::default(),
        })
    }

    pub(crate) fn stream(size: BodySize) -> (BatchSender, Self) {
        let (sender, stream) = LaneStream::new(size);
        (sender, Self::Stream(stream))
    }
}

/// The body of a response that came from a lane, or that was complete when the event loop had it.
pub struct OffloadBody(Kind);

enum Kind {
    Complete(CompleteBody),
    // Apart, so that a complete body, which nearly all are, is not moved about with the room for this.
    Stream(Box<StreamBody>),
}

impl OffloadBody {
    #[inline]
    pub(crate) fn new(body: LaneBody) -> Self {
        Self(match body {
            LaneBody::Complete(body) => Kind::Complete(body),
            LaneBody::Stream(stream) => Kind::Stream(Box::new(StreamBody::new(stream))),
        })
    }

    pub(crate) fn complete(size: BodySize, bytes: Bytes) -> Self {
        Self::new(LaneBody::complete(size, bytes))
    }

    /// Keeps the handler's job for as long as the response lasts.
    pub(crate) fn keep_job(&mut self, job: JobHandle, pass: Option<Pass>) {
        match &mut self.0 {
            Kind::Complete(_) => job.detach(),
            Kind::Stream(stream) => stream.keep_job(job, pass),
        }
    }

    /// Keeps feeding the handler's request body for as long as the response lasts.
    pub(crate) fn keep_pumping(&mut self, unfinished: Pump) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.keep_pumping(unfinished);
        }
    }
}

impl fmt::Debug for OffloadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OffloadBody").field(&self.size()).finish()
    }
}

impl MessageBody for OffloadBody {
    type Error = BodyError;

    fn size(&self) -> BodySize {
        match &self.0 {
            Kind::Complete(body) => body.size,
            Kind::Stream(stream) => stream.size(),
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.get_mut().0 {
            Kind::Complete(body) => body.next(cx).map(|bytes| bytes.map(Ok)),
            Kind::Stream(stream) => stream.poll_next(cx),
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        match self.0 {
            Kind::Complete(body) => Ok(body.bytes),
            Kind::Stream(_) => Err(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use super::*;
    use crate::hop::turn::TURN;

    fn next(body: &mut OffloadBody, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Pin::new(body)
            .poll_next(cx)
            .map(|item| item.map(|chunk| chunk.expect("no failure")))
    }

    /// The pieces of a complete body of this length, and how often it let others go first.
    fn pieces(length: usize) -> (Vec<Bytes>, usize) {
        let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let size = BodySize::Sized(length as u64);
        let mut body = OffloadBody::complete(size, Bytes::from(content.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("starts");
        let (mut pieces, mut pauses) = (Vec::new(), 0);
        runtime.block_on(poll_fn(|cx| {
            loop {
                match next(&mut body, cx) {
                    Poll::Ready(Some(piece)) => pieces.push(piece),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        pauses += 1;
                        return Poll::Pending;
                    }
                }
            }
        }));
        assert_eq!(pieces.concat(), content);
        (pieces, pauses)
    }

    #[test]
    fn a_large_body_is_handed_over_in_pieces_with_room_for_others_in_between() {
        let (pieces, pauses) = pieces(3 * TURN + LAST);
        assert_eq!(pieces.len(), 4);
        assert_eq!(pauses, 3);
    }

    #[test]
    fn the_last_piece_of_a_large_body_is_a_long_one() {
        for length in [LAST + 1, 2 * LAST - 1, 2 * LAST, 2 * LAST + 1] {
            let (pieces, _) = pieces(length);
            let (last, others) = pieces.split_last().expect("it is not empty");
            assert!(last.len() > LAST - TURN && last.len() <= LAST, "{length}");
            assert!(others.iter().all(|piece| piece.len() == TURN), "{length}");
        }
    }

    #[test]
    fn a_body_that_is_small_or_has_no_length_stays_in_one_piece() {
        let cx = &mut Context::from_waker(Waker::noop());
        let large = Bytes::from(vec![1; 2 * LAST]);
        for (size, bytes) in [
            (BodySize::Sized(LAST as u64), large.slice(..LAST)),
            (BodySize::Stream, large),
        ] {
            let mut body = OffloadBody::complete(size, bytes.clone());
            assert_eq!(next(&mut body, cx), Poll::Ready(Some(bytes)));
            assert_eq!(next(&mut body, cx), Poll::Ready(None));
        }
    }
}
