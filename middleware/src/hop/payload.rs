//! The request body on its way from the event loop to a lane, bounded and on demand.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use actix_http::{Payload, error::PayloadError};
use actix_web::web::Bytes;
use futures_channel::mpsc;
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use offload_core::cost::BodySize;

use super::turn::Turn;

/// Pieces that may wait in the channel: together with HTTP/1's own buffer of 32 KiB a request holds a
/// small, fixed number of socket reads.
const PIECES: usize = 4;

/// Bodies up to so many bytes come along with their request, so that a handler which only waits for
/// its body does all of its work in its turn of the queue. Whatever is larger takes several reads of the
/// socket anyway, and what waits in a full queue of 1024 requests stays below 64 MiB.
const COMES_ALONG: u64 = 64 << 10;

/// As many pieces come along at most: a chunked body may consist of single bytes, each of which costs
/// far more than a byte to hold.
const PIECES_ALONG: usize = 64;

/// Whether a body of this size comes along. One of unknown length does as far as it is there.
pub(crate) fn comes_along(declared: BodySize) -> bool {
    match declared {
        BodySize::Known(bytes) => bytes <= COMES_ALONG,
        BodySize::Unknown => true,
    }
}

/// One message of the channel. The end is said aloud, because a channel that merely closes means
/// that the event loop gave the request up, and a cut upload must not look complete.
enum Piece {
    Data(Bytes),
    End,
    Failed(PayloadError),
}

/// What the lane's side tells the event loop's side.
#[derive(Default)]
struct Demand {
    wanted: AtomicBool,
    loop_task: AtomicWaker,
}

/// The request body as the connection has it, and what was taken of it before anybody asked.
pub(crate) struct Ahead {
    payload: Payload,
    pieces: VecDeque<Piece>,
    bytes: u64,
    ended: bool,
}

/// The event loop's end: reads the connection's payload and feeds the lane.
pub(crate) struct Pump {
    ahead: Ahead,
    sender: mpsc::Sender<Piece>,
    demand: Arc<Demand>,
    turn: Turn,
    /// Nothing is left to move: all was, or nobody wants the rest.
    done: bool,
}

/// The lane's end: the payload that the handler sees.
pub(crate) struct LanePayload {
    ahead: VecDeque<Piece>,
    receiver: mpsc::Receiver<Piece>,
    demand: Arc<Demand>,
    seen: Arc<Seen>,
    ended: bool,
}

/// What has become of a request body on the lane, for the decision whether the connection can stay.
#[derive(Default)]
pub(crate) struct Seen {
    item: AtomicBool,
    dropped: AtomicBool,
}

impl Seen {
    /// Whether the handler was given any piece of the body, its end included.
    pub(crate) fn anything(&self) -> bool {
        self.item.load(Ordering::Relaxed)
    }

    /// Whether somebody may still read the body.
    pub(crate) fn is_held(&self) -> bool {
        !self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for LanePayload {
    fn drop(&mut self) {
        self.seen.dropped.store(true, Ordering::Relaxed);
    }
}

impl Ahead {
    pub(crate) fn new(payload: Payload) -> Self {
        Self {
            payload,
            pieces: VecDeque::new(),
            bytes: 0,
            ended: false,
        }
    }

    /// Takes what has come so far. Ready once the body is complete or as much was taken as may come
    /// along.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.ended && self.bytes < COMES_ALONG && self.pieces.len() < PIECES_ALONG {
            let (piece, last) = ready!(poll_piece(&mut self.payload, cx));
            if let Piece::Data(data) = &piece {
                self.bytes += data.len() as u64;
            }
            self.pieces.push_back(piece);
            self.ended = last;
        }
        Poll::Ready(())
    }

    /// Splits the payload into the end that stays and the end that goes, which takes along what is
    /// there.
    pub(crate) fn split(mut self) -> (Pump, LanePayload) {
        let (sender, receiver) = mpsc::channel(PIECES - 1);
        let demand = Arc::new(Demand::default());
        let lane = LanePayload {
            ahead: mem::take(&mut self.pieces),
            receiver,
            demand: Arc::clone(&demand),
            seen: Arc::default(),
            ended: false,
        };
        let pump = Pump {
            done: self.ended,
            ahead: self,
            sender,
            demand,
            turn: Turn::default(),
        };
        (pump, lane)
    }

    /// What comes next, whether it was taken before or not.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(piece);
        }
        let (piece, last) = ready!(poll_piece(&mut self.payload, cx));
        self.ended = last;
        Poll::Ready(piece)
    }
}

/// The next piece of a payload, and whether it is the last.
fn poll_piece(payload: &mut Payload, cx: &mut Context<'_>) -> Poll<(Piece, bool)> {
    Pin::new(payload).poll_next(cx).map(|item| match item {
        Some(Ok(data)) => (Piece::Data(data), false),
        Some(Err(err)) => (Piece::Failed(err), true),
        None => (Piece::End, true),
    })
}

impl Pump {
    /// Moves what can be moved now. Registers the task for whatever it waits for.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if self.done {
            return;
        }
        if !self.demand.wanted.load(Ordering::Acquire) {
            self.demand.loop_task.register(cx.waker());
            if !self.demand.wanted.load(Ordering::Acquire) {
                return;
            }
        }
        self.done = self.poll_pieces(cx).is_ready();
    }

    /// Ready once there is nothing left to move: the end was passed on, or the reader has gone.
    fn poll_pieces(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.sender.poll_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            ready!(self.turn.poll(cx));
            let piece = ready!(self.ahead.poll_next(cx));
            let last = match &piece {
                Piece::Data(data) => {
                    self.turn.moved(data.len());
                    false
                }
                Piece::End | Piece::Failed(_) => true,
            };
            if self.sender.start_send(piece).is_err() || last {
                return Poll::Ready(());
            }
        }
    }

    /// Whether all of the payload was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.ahead.ended
    }

    /// Whether the stream of HTTP/2 has been cut that the payload belongs to. While the payload has not
    /// ended, the task is woken when it is, unless more waits to be read than may come along.
    pub(crate) fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        let ended = self.ahead.poll(cx).is_ready() && self.ahead.ended;
        ended
            && matches!(
                Pin::new(&mut self.ahead.payload).poll_next(cx),
                Poll::Ready(Some(Err(_)))
            )
    }

    /// Whether the handler has dropped its end, so that nobody will read the rest.
    pub(crate) fn reader_gone(&self) -> bool {
        self.sender.is_closed()
    }
}

impl LanePayload {
    pub(crate) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }
}

impl Stream for LanePayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = match self.ahead.pop_front() {
            Some(piece) => Some(piece),
            None => {
                if !self.demand.wanted.swap(true, Ordering::AcqRel) {
                    self.demand.loop_task.wake();
                }
                ready!(Pin::new(&mut self.receiver).poll_next(cx))
            }
        };
        self.seen.item.store(true, Ordering::Relaxed);
        Poll::Ready(match piece {
            Some(Piece::Data(data)) => Some(Ok(data)),
            Some(Piece::Failed(err)) => {
                self.ended = true;
                Some(Err(err))
            }
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(PayloadError::Incomplete(None)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, future::poll_fn, stream};

    use super::*;
    use crate::hop::turn::TURN;

    fn pump_once(pump: &mut Pump) {
        poll_fn(|cx| {
            pump.poll(cx);
            Poll::Ready(())
        })
        .now_or_never()
        .expect("one poll");
    }

    #[test]
    fn nothing_is_read_before_the_handler_asks() {
        let (mut pump, mut lane) = Ahead::new(Payload::from(Bytes::from_static(b"hello"))).split();
        pump_once(&mut pump);
        assert!(lane.receiver.try_recv().is_err(), "read without demand");

        assert!(lane.next().now_or_never().is_none(), "asks");
        pump_once(&mut pump);
        let piece = lane.next().now_or_never().expect("a piece is there");
        assert_eq!(piece.expect("not the end").expect("data"), "hello");
        assert!(lane.next().now_or_never().expect("the end").is_none());
        assert!(lane.next().now_or_never().expect("fused").is_none());
    }

    #[test]
    fn a_cut_upload_is_an_error_and_not_an_end() {
        let (pump, mut lane) = Ahead::new(Payload::from(Bytes::from_static(b"hello"))).split();
        drop(pump);
        let piece = lane.next().now_or_never().expect("closed");
        assert!(matches!(piece, Some(Err(PayloadError::Incomplete(None)))));
        assert!(lane.next().now_or_never().expect("fused").is_none());
    }

    #[test]
    fn a_reader_that_left_is_noticed() {
        let (mut pump, lane) = Ahead::new(Payload::from(Bytes::from_static(b"hello"))).split();
        assert!(!pump.reader_gone());
        drop(lane);
        assert!(pump.reader_gone());
        pump_once(&mut pump);
    }

    #[test]
    fn a_long_upload_lets_the_event_loop_look_after_others() {
        const PIECE: usize = 16 << 10;
        const BODY: usize = 3 * TURN + PIECE;
        let body = pieces(vec![&[b'x'; PIECE]; BODY / PIECE]);
        let (mut pump, mut lane) = Ahead::new(payload_of(body)).split();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("starts");
        let (mut got, mut pauses) = (0, 0);
        runtime.block_on(poll_fn(|cx| {
            loop {
                match lane.poll_next_unpin(cx) {
                    Poll::Ready(Some(data)) => got += data.expect("data").len(),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        pump.poll(cx);
                        if pump.turn.poll(cx).is_pending() {
                            pauses += 1;
                            return Poll::Pending;
                        }
                    }
                }
            }
        }));
        assert_eq!(got, BODY);
        assert_eq!(pauses, 3);
    }

    /// Polls once.
    fn look_once(ahead: &mut Ahead) -> Poll<()> {
        poll_fn(|cx| Poll::Ready(ahead.poll(cx)))
            .now_or_never()
            .expect("one poll")
    }

    type Data = Result<Bytes, PayloadError>;

    fn payload_of(stream: impl Stream<Item = Data> + 'static) -> Payload {
        Payload::Stream {
            payload: Box::pin(stream) as _,
        }
    }

    fn pieces(pieces: Vec<&'static [u8]>) -> impl Stream<Item = Data> {
        stream::iter(pieces).map(|piece| Ok(Bytes::from_static(piece)))
    }

    #[test]
    fn what_has_come_goes_along() {
        let mut ahead = Ahead::new(payload_of(pieces(vec![b"one", b"two"])));
        assert!(look_once(&mut ahead).is_ready());
        let (pump, lane) = ahead.split();
        assert!(pump.has_ended());
        let pieces = lane.map(|piece| piece.expect("data")).collect::<Vec<_>>();
        let pieces = pieces.now_or_never().expect("nothing to wait for");
        assert_eq!(pieces, [&b"one"[..], b"two"]);
    }

    #[test]
    fn what_has_not_come_follows() {
        let body = pieces(vec![b"one"]).chain(stream::pending());
        let mut ahead = Ahead::new(payload_of(body));
        assert!(look_once(&mut ahead).is_pending());
        let (pump, mut lane) = ahead.split();
        assert!(!pump.has_ended());
        let seen = lane.seen();
        assert!(!seen.anything(), "the handler has looked at nothing");
        assert!(seen.is_held());
        let piece = lane.next().now_or_never().expect("it came along");
        assert_eq!(piece.expect("not the end").expect("data"), "one");
        assert!(seen.anything());
        assert!(lane.next().now_or_never().is_none(), "the rest is to come");
        drop(lane);
        assert!(!seen.is_held());
    }

    #[test]
    fn neither_many_bytes_nor_many_pieces_come_along() {
        for piece in [&[b'x'; 32 << 10][..], b"x"] {
            let mut ahead = Ahead::new(payload_of(pieces(vec![piece; 100])));
            assert!(look_once(&mut ahead).is_ready());
            assert!(ahead.bytes <= COMES_ALONG && ahead.pieces.len() <= PIECES_ALONG);
            let (mut pump, mut lane) = ahead.split();
            let mut left = 100;
            loop {
                match lane.next().now_or_never() {
                    Some(Some(data)) => {
                        assert_eq!(data.expect("data"), piece);
                        left -= 1;
                    }
                    Some(None) => break,
                    None => pump_once(&mut pump),
                }
            }
            assert_eq!(left, 0);
        }
    }
}
