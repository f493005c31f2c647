//! A response body that is made on a lane while it is sent, with back-pressure, in the writes that actix alone would make.
//!
//! A connection without `TCP_NODELAY`, which actix leaves off, keeps a short packet back until the client has acknowledged
//! the short packet before it, which may take 40 ms and more. So the lane sends on what its stream has at once as one
//! *batch*, as actix alone would write it at once, and the first batch comes with the head.

use std::{
    collections::VecDeque,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{body::BodySize, web::Bytes};
use offload_core::JobHandle;
use tokio::sync::mpsc;

use super::{payload::Pump, turn::Turn};
use crate::lifetime::Pass;

/// So many bytes of a stream actix collects before it writes them, unless `h1_write_buffer_size` says otherwise.
const WRITE: usize = 32 << 10;

/// A batch that took so long to make is sent, however little it is: what is made next meets the acknowledgment of it on
/// its way. Alone actix would freeze its event loop over it and send nothing.
const MAKING: Duration = Duration::from_millis(40);

/// Batches that may wait in the channel, so that the connection is kept busy while the lane makes the next.
const BATCHES: usize = 2;

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

/// What a stream had to give at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    /// What it took to make it.
    cost: Duration,
    /// Said aloud, so that a lost lane does not look like an end.
    end: Option<End>,
}

/// How a stream ended.
#[derive(Debug)]
enum End {
    Complete,
    Failed {
        error: BodyError,
        /// The stream had nothing to give for a while before that, in which actix would have sent what came before.
        after_a_pause: bool,
    },
}

impl Batch {
    /// Takes what `poll` has to give now, and adds up what that costs. Ready once there is nothing more now, or as much as
    /// actix would write, or it took long to make; pending while there is nothing at all.
    ///
    /// `paused` is kept from batch to batch. It says whether the stream had nothing to give when it was polled last.
    pub(crate) fn fill(
        &mut self,
        paused: &mut bool,
        mut poll: impl FnMut() -> (Poll<Option<Result<Bytes, BodyError>>>, Duration),
    ) -> Poll<()> {
        let has_room =
            |batch: &Self| batch.bytes < WRITE && (batch.cost < MAKING || batch.chunks.is_empty());
        while self.end.is_none() && has_room(self) {
            let (polled, cost) = poll();
            self.cost += cost;
            let after_a_pause = std::mem::replace(paused, polled.is_pending());
            match polled {
                Poll::Pending if self.chunks.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(chunk))) => {
                    self.bytes += chunk.len();
                    self.chunks.push_back(chunk);
                }
                Poll::Ready(None) => self.end = Some(End::Complete),
                Poll::Ready(Some(Err(error))) => {
                    self.end = Some(End::Failed {
                        error,
                        after_a_pause,
                    });
                }
            }
        }
        Poll::Ready(())
    }

    /// Whether nothing comes after it.
    pub(crate) fn is_last(&self) -> bool {
        self.end.is_some()
    }
}

/// The lane's end of a stream.
pub(crate) type BatchSender = mpsc::Sender<Batch>;

/// A stream on its way between the threads.
pub(crate) struct LaneStream {
    size: BodySize,
    batches: mpsc::Receiver<Batch>,
}

impl LaneStream {
    pub(crate) fn new(size: BodySize) -> (BatchSender, Self) {
        let (sender, batches) = mpsc::channel(BATCHES);
        (sender, Self { size, batches })
    }
}

/// The event loop's end of a stream.
pub(crate) struct StreamBody {
    stream: LaneStream,
    /// What has come and was not passed on.
    batch: Batch,
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
    pub(crate) fn new(stream: LaneStream) -> Self {
        Self {
            stream,
            batch: Batch::default(),
            turn: Turn::default(),
            pump: None,
            job: None,
            ended: false,
            failure: None,
        }
    }

    pub(crate) fn size(&self) -> BodySize {
        self.stream.size
    }

    pub(crate) fn keep_job(&mut self, job: JobHandle, pass: Option<Pass>) {
        self.job = Some((job, pass));
    }

    pub(crate) fn keep_pumping(&mut self, unfinished: Pump) {
        self.pump = Some(unfinished);
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.ended {
            return Poll::Ready(self.failure.take().map(Err));
        }
        if let Some(pump) = &mut self.pump {
            pump.poll(cx);
        }
        ready!(self.turn.poll(cx));
        let end = loop {
            if let Some(chunk) = self.batch.chunks.pop_front() {
                self.turn.moved(chunk.len());
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let Some(end) = self.batch.end.take() {
                break Some(end);
            }
            match ready!(self.stream.batches.poll_recv(cx)) {
                Some(batch) => self.batch = batch,
                None => break None,
            }
        };
        self.ended = true;
        if self.pump.take().is_some() {
            // As in `LaneCall`: actix has to look again at a request body that nobody reads now.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(match end {
            Some(End::Complete) => None,
            Some(End::Failed {
                error,
                after_a_pause: false,
            }) => Some(Err(error)),
            Some(End::Failed {
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::hop::turn::TURN;

    const FREE: Duration = Duration::ZERO;
    const HALF: Duration = Duration::from_millis(20);

    fn chunk(length: usize) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(Some(Ok(Bytes::from(vec![1; length]))))
    }

    /// The batches of a stream that gives this, as the lengths of their chunks, until it has nothing more to give.
    fn batches(
        given: impl IntoIterator<Item = (Poll<Option<Result<Bytes, BodyError>>>, Duration)>,
    ) -> Vec<(Vec<usize>, Option<End>)> {
        let mut given = given.into_iter().peekable();
        let (mut batches, mut paused) = (Vec::new(), false);
        while given.peek().is_some() {
            let mut batch = Batch::default();
            let filled = batch.fill(&mut paused, || {
                given.next().unwrap_or((Poll::Pending, FREE))
            });
            let lengths: Vec<usize> = batch.chunks.iter().map(Bytes::len).collect();
            assert_eq!(
                filled.is_pending(),
                lengths.is_empty() && batch.end.is_none()
            );
            if filled.is_ready() {
                batches.push((lengths, batch.end));
            }
        }
        batches
    }

    #[test]
    fn a_batch_is_what_actix_would_write_at_once() {
        let half = WRITE / 2;
        let batches = batches([
            (chunk(half), FREE),
            (chunk(half), FREE),
            (chunk(3 * WRITE), FREE),
            (chunk(1), FREE),
            (Poll::Pending, FREE),
            (Poll::Pending, FREE),
            (chunk(2), FREE),
            (Poll::Ready(None), FREE),
        ]);
        let lengths: Vec<&[usize]> = batches.iter().map(|(lengths, _)| &lengths[..]).collect();
        let expected: [&[usize]; 4] = [&[half, half], &[3 * WRITE], &[1], &[2]];
        assert_eq!(lengths, expected);
        assert!(matches!(batches[3].1, Some(End::Complete)));
        assert!(batches[..3].iter().all(|(_, end)| end.is_none()));
    }

    #[test]
    fn what_takes_long_to_make_is_sent_before_the_rest() {
        let batches = batches([
            (chunk(1), HALF),
            (chunk(2), HALF),
            (Poll::Pending, 2 * HALF),
            (chunk(3), FREE),
            (Poll::Ready(None), FREE),
        ]);
        let lengths: Vec<&[usize]> = batches.iter().map(|(lengths, _)| &lengths[..]).collect();
        let expected: [&[usize]; 2] = [&[1, 2], &[3]];
        assert_eq!(lengths, expected);
    }

    #[test]
    fn a_failure_says_whether_there_was_a_pause_before_it() {
        let failed = || (Poll::Ready(Some(Err(BodyError::Panicked))), FREE);
        let pauses = |end: &Option<End>| match end {
            Some(End::Failed { after_a_pause, .. }) => *after_a_pause,
            _ => panic!("it failed"),
        };
        let at_once = batches([(chunk(1), FREE), failed()]);
        assert_eq!(at_once[0].0, [1], "in one batch");
        assert!(!pauses(&at_once[0].1));
        let later = batches([(chunk(1), FREE), (Poll::Pending, FREE), failed()]);
        assert_eq!(later[0].0, [1]);
        assert!(pauses(&later[1].1));
    }

    #[test]
    fn a_stream_that_never_runs_dry_leaves_room_for_others() {
        const SENT: usize = (3 * TURN + WRITE) / WRITE;
        let (sender, stream) = LaneStream::new(BodySize::Stream);
        let mut body = StreamBody::new(stream);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("starts");
        let batch = || {
            let mut batch = Batch::default();
            let filled = batch.fill(&mut false, || (chunk(WRITE), FREE));
            assert!(filled.is_ready());
            batch
        };
        let (mut sent, mut got, mut pauses) = (0, 0, 0);
        runtime.block_on(poll_fn(|cx| {
            loop {
                while sent < SENT && sender.try_send(batch()).is_ok() {
                    sent += 1;
                }
                if sent == SENT {
                    let last = Batch {
                        end: Some(End::Complete),
                        ..Batch::default()
                    };
                    // Once is enough; the rest finds the channel full or goes unread.
                    let _more = sender.try_send(last);
                }
                match body.poll_next(cx) {
                    Poll::Ready(Some(piece)) => got += piece.expect("no failure").len(),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        pauses += 1;
                        return Poll::Pending;
                    }
                }
            }
        }));
        assert_eq!(got, SENT * WRITE);
        assert_eq!(pauses, 3);
    }
}
