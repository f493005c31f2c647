//! The response body on its way back from a lane, complete or as a stream with back-pressure.

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
use tokio::sync::mpsc;

use super::{payload::Pump, turn::Turn};
use crate::shutdown::Pass;

/// Chunks that may wait in the channel. actix writes about 32 KiB before it waits for the socket, so
/// a few chunks keep the connection busy while the lane makes the next.
const CHUNKS: usize = 4;

/// A complete body larger than this is handed over in pieces of this size, as much as actix takes before it writes. In one
/// piece it would be copied whole into the connection's buffer first.
const PIECE: usize = 32 << 10;

/// Why a streaming body that was made on a lane broke off.
///
/// actix logs it and closes the connection, exactly as it does for a body that fails on the event
/// loop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The handler's own body stream failed; the text is what its error displays.
    #[error("the response body failed: {0}")]
    Failed(String),
    /// The handler's body stream panicked.
    #[error("the response body panicked")]
    Panicked,
    /// The lane ended before the body did.
    #[error("the lane ended before the response body did")]
    Lost,
}

/// One message of the channel; the end is said aloud so that a lost lane does not look like an end.
pub(crate) enum Chunk {
    Data(Bytes),
    End,
    Failed {
        error: BodyError,
        /// The handler's stream had nothing to give for a while before that, in which actix would have sent what came before.
        after_a_pause: bool,
    },
}

/// The lane's end of a streaming body.
pub(crate) type ChunkSender = mpsc::Sender<Chunk>;

/// A body on its way between the threads.
pub(crate) enum LaneBody {
    Complete(CompleteBody),
    Stream {
        size: BodySize,
        chunks: mpsc::Receiver<Chunk>,
    },
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
        // Only where the pieces don't show: without a length each would be a chunk of its own.
        if self.bytes.len() > PIECE && matches!(self.size, BodySize::Sized(_)) {
            ready!(self.turn.poll(cx));
            self.turn.moved(PIECE);
            return Poll::Ready(Some(self.bytes.split_to(PIECE)));
        }
        let bytes = mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(bytes))
    }
}

impl LaneBody {
    pub(crate) fn complete(size: BodySize, bytes: Bytes) -> Self {
        Self::Complete(CompleteBody {
            size,
            bytes,
            turn: Turn::default(),
        })
    }

    pub(crate) fn stream(size: BodySize) -> (ChunkSender, Self) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        (sender, Self::Stream { size, chunks })
    }
}

/// The body of a response that came from a lane, or that was complete when the event loop had it.
pub struct OffloadBody(Kind);

enum Kind {
    Complete(CompleteBody),
    // Apart, so that a complete body, which nearly all are, is not moved about with the room for this.
    Stream(Box<StreamBody>),
}

struct StreamBody {
    size: BodySize,
    chunks: mpsc::Receiver<Chunk>,
    turn: Turn,
    // The handler may still read its request while it answers, as an echo does.
    pump: Option<Pump>,
    // Dropped with the body, which tells the handler's stream that nobody waits for it any more.
    job: Option<(JobHandle, Option<Pass>)>,
    ended: bool,
    // What the next poll has to say.
    failure: Option<BodyError>,
}

impl StreamBody {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.ended {
            return Poll::Ready(self.failure.take().map(Err));
        }
        if let Some(pump) = &mut self.pump {
            pump.poll(cx);
        }
        ready!(self.turn.poll(cx));
        let chunk = ready!(self.chunks.poll_recv(cx));
        self.ended = !matches!(chunk, Some(Chunk::Data(_)));
        if self.ended && self.pump.take().is_some() {
            // As in `LaneCall`: actix has to look again at a request body that nobody reads now.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(match chunk {
            Some(Chunk::Data(data)) => {
                self.turn.moved(data.len());
                Some(Ok(data))
            }
            Some(Chunk::End) => None,
            Some(Chunk::Failed {
                error,
                after_a_pause: false,
            }) => Some(Err(error)),
            Some(Chunk::Failed {
                error,
                after_a_pause: true,
            }) => {
                // actix drops what it has not sent yet. The pause there was on the lane may have been none here.
                self.failure = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => Some(Err(BodyError::Lost)),
        })
    }
}

impl OffloadBody {
    pub(crate) fn new(body: LaneBody) -> Self {
        Self(match body {
            LaneBody::Complete(body) => Kind::Complete(body),
            LaneBody::Stream { size, chunks } => Kind::Stream(Box::new(StreamBody {
                size,
                chunks,
                turn: Turn::default(),
                pump: None,
                job: None,
                ended: false,
                failure: None,
            })),
        })
    }

    pub(crate) fn complete(size: BodySize, bytes: Bytes) -> Self {
        Self::new(LaneBody::complete(size, bytes))
    }

    /// Keeps the handler's job for as long as the response lasts.
    pub(crate) fn keep_job(&mut self, job: JobHandle, pass: Option<Pass>) {
        match &mut self.0 {
            Kind::Complete(_) => job.detach(),
            Kind::Stream(stream) => stream.job = Some((job, pass)),
        }
    }

    /// Keeps feeding the handler's request body for as long as the response lasts.
    pub(crate) fn keep_pumping(&mut self, unfinished: Pump) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.pump = Some(unfinished);
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
            Kind::Stream(stream) => stream.size,
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

    #[test]
    fn a_large_body_is_handed_over_in_pieces_with_room_for_others_in_between() {
        let content: Vec<u8> = (0..3 * TURN + PIECE + 5).map(|at| at as u8).collect();
        let size = BodySize::Sized(content.len() as u64);
        let mut body = OffloadBody::complete(size, Bytes::from(content.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("starts");
        let (mut got, mut pauses, mut largest) = (Vec::new(), 0, 0);
        runtime.block_on(poll_fn(|cx| {
            loop {
                match next(&mut body, cx) {
                    Poll::Ready(Some(piece)) => {
                        largest = largest.max(piece.len());
                        got.extend_from_slice(&piece);
                    }
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        pauses += 1;
                        return Poll::Pending;
                    }
                }
            }
        }));
        assert_eq!(got, content);
        assert_eq!(largest, PIECE);
        assert_eq!(pauses, 3);
    }

    #[test]
    fn a_stream_that_never_runs_dry_leaves_room_for_others() {
        const CHUNKS_SENT: usize = (3 * TURN + PIECE) / PIECE;
        let (sender, body) = LaneBody::stream(BodySize::Stream);
        let mut body = OffloadBody::new(body);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("starts");
        let chunk = Bytes::from(vec![1; PIECE]);
        let (mut sent, mut got, mut pauses) = (0, 0, 0);
        runtime.block_on(poll_fn(|cx| {
            loop {
                while sent < CHUNKS_SENT && sender.try_send(Chunk::Data(chunk.clone())).is_ok() {
                    sent += 1;
                }
                if sent == CHUNKS_SENT {
                    // Once is enough; the rest finds the channel full or goes unread.
                    let _more = sender.try_send(Chunk::End);
                }
                match next(&mut body, cx) {
                    Poll::Ready(Some(piece)) => got += piece.len(),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        pauses += 1;
                        return Poll::Pending;
                    }
                }
            }
        }));
        assert_eq!(got, CHUNKS_SENT * PIECE);
        assert_eq!(pauses, 3);
    }

    #[test]
    fn a_body_that_is_small_or_has_no_length_stays_in_one_piece() {
        let cx = &mut Context::from_waker(Waker::noop());
        let large = Bytes::from(vec![1; 2 * PIECE]);
        for (size, bytes) in [
            (BodySize::Sized(PIECE as u64), large.slice(..PIECE)),
            (BodySize::Stream, large),
        ] {
            let mut body = OffloadBody::complete(size, bytes.clone());
            assert_eq!(next(&mut body, cx), Poll::Ready(Some(bytes)));
            assert_eq!(next(&mut body, cx), Poll::Ready(None));
        }
    }
}
