//! The request body on its way from the event loop to a lane, bounded and on demand.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use actix_http::{Payload, error::PayloadError};
use actix_web::web::Bytes;
use futures_channel::mpsc;
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use offload_core::cost::BodySize;

use super::{read_ahead::Share, turn::Turn};

/// Pieces that may wait in the channel: together with HTTP/1's own buffer of 32 KiB a request holds a
/// small, fixed number of socket reads.
const PIECES: usize = 4;

/// Bodies up to so many bytes come along with their request, so that a handler which only waits for
/// its body does all of its work in its turn of the queue. What waits in a full queue of 1024 requests stays below 64 MiB.
/// Longer ones need a [`Share`] of the room for that.
const COMES_ALONG: u64 = 64 << 10;

/// As many pieces come along at most, and one for each [`PIECE_ALONG`] bytes: a body may come in single bytes, each of
/// which costs far more than a byte to hold.
const PIECES_ALONG: usize = 64;
const PIECE_ALONG: u64 = 1 << 10;

/// As much of a body actix decodes before its handler asks for it.
const DECODED: u64 = 32 << 10;

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
    share: Option<Share>,
    turn: Turn,
    ended: bool,
}

/// The event loop's end: reads the connection's payload and feeds the lane.
pub(crate) struct Pump {
    ahead: Ahead,
    sender: mpsc::Sender<Piece>,
    demand: Arc<Demand>,
    /// Nothing is left to move: all was, or nobody wants the rest.
    done: bool,
}

/// The lane's end: the payload that the handler sees.
pub(crate) struct LanePayload {
    ahead: VecDeque<Piece>,
    /// The room that `ahead` takes.
    share: Option<Share>,
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
    /// Bytes of a long body that came along and were not given to the handler.
    left: AtomicU64,
}

impl Seen {
    /// Whether the handler was given any piece of the body, its end included.
    pub(crate) fn anything(&self) -> bool {
        self.item.load(Ordering::Relaxed)
    }

    /// Whether so much of the body is left that actix alone could not have it all by now.
    pub(crate) fn leaves_much(&self) -> bool {
        self.left.load(Ordering::Relaxed) >= DECODED
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
            share: None,
            turn: Turn::default(),
            ended: false,
        }
    }

    /// For a body that is longer than what comes along in any case, and for which there is room.
    pub(crate) fn long(payload: Payload, share: Share) -> Self {
        Self {
            share: Some(share),
            ..Self::new(payload)
        }
    }

    pub(crate) fn is_long(&self) -> bool {
        self.share.is_some()
    }

    /// How many bytes have come.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn has_room(&self) -> bool {
        let pieces = PIECES_ALONG as u64 + self.bytes / PIECE_ALONG;
        let room = match &self.share {
            None => self.bytes < COMES_ALONG,
            // The end comes after the last byte.
            Some(share) => self.bytes <= share.bytes(),
        };
        room && (self.pieces.len() as u64) < pieces
    }

    /// Takes what has come so far. Ready once the body is complete or as much was taken as may come
    /// along.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.ended && self.has_room() {
            ready!(self.turn.poll(cx));
            let (piece, last) = ready!(poll_piece(&mut self.payload, cx));
            if let Piece::Data(data) = &piece {
                self.bytes += data.len() as u64;
                self.turn.moved(data.len());
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
        let seen = Seen {
            left: AtomicU64::new(if self.is_long() { self.bytes } else { 0 }),
            ..Seen::default()
        };
        if let Some(share) = &mut self.share {
            // The rest waits for the handler.
            share.shrink_to(self.bytes);
        }
        // From now on they count that are read to see whether the client is there.
        self.bytes = 0;
        let lane = LanePayload {
            ahead: mem::take(&mut self.pieces),
            share: self.share.take(),
            receiver,
            demand: Arc::clone(&demand),
            seen: Arc::new(seen),
            ended: false,
        };
        let pump = Pump {
            done: self.ended,
            ahead: self,
            sender,
            demand,
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
            ready!(self.ahead.turn.poll(cx));
            let piece = ready!(self.ahead.poll_next(cx));
            let last = match &piece {
                Piece::Data(data) => {
                    self.ahead.turn.moved(data.len());
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
                self.share = None;
                if !self.demand.wanted.swap(true, Ordering::AcqRel) {
                    self.demand.loop_task.wake();
                }
                ready!(Pin::new(&mut self.receiver).poll_next(cx))
            }
        };
        self.seen.item.store(true, Ordering::Relaxed);
        Poll::Ready(match piece {
            Some(Piece::Data(data)) => {
                if self.share.is_some() {
                    let bytes = data.len() as u64;
                    self.seen.left.fetch_sub(bytes, Ordering::Relaxed);
                }
                Some(Ok(data))
            }
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
    use crate::hop::{read_ahead::ReadAhead, turn::TURN};

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
                        if pump.ahead.turn.poll(cx).is_pending() {
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

    fn long(stream: impl Stream<Item = Data> + 'static, bytes: u64) -> Ahead {
        let room = ReadAhead::new(u64::MAX);
        let share = room.take(bytes).expect("there is room");
        Ahead::long(payload_of(stream), share)
    }

    #[test]
    fn all_of_a_long_body_comes_along_with_room_for_others_in_between() {
        const PIECE: usize = 16 << 10;
        const BODY: usize = 3 * TURN;
        let body = pieces(vec![&[b'x'; PIECE]; BODY / PIECE]);
        let mut ahead = long(body, BODY as u64);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("starts");
        let mut pauses = 0;
        runtime.block_on(poll_fn(|cx| {
            let polled = ahead.poll(cx);
            pauses += usize::from(polled.is_pending());
            polled
        }));
        assert_eq!(pauses, 3);
        assert_eq!(ahead.bytes(), BODY as u64);
        let (pump, lane) = ahead.split();
        assert!(pump.has_ended());
        let pieces = lane.map(|piece| piece.expect("data").len());
        let pieces = pieces.collect::<Vec<_>>().now_or_never();
        assert_eq!(pieces.expect("nothing to wait for").len(), BODY / PIECE);
    }

    #[test]
    fn not_many_small_pieces_of_a_long_body_come_along() {
        let mut ahead = long(pieces(vec![b"x"; 100_000]), 100_000);
        assert!(look_once(&mut ahead).is_ready());
        let most = PIECES_ALONG as u64 + 100_000 / PIECE_ALONG;
        assert!(ahead.pieces.len() as u64 <= most);
    }

    #[test]
    fn the_room_of_a_body_is_free_once_the_handler_has_it() {
        let room = ReadAhead::new(8);
        let body = || payload_of(pieces(vec![b"x"]));
        let mut ahead = Ahead::long(body(), room.take(1).expect("there is room"));
        assert!(look_once(&mut ahead).is_ready());
        let others: Vec<_> = (0..7).map_while(|_| room.take(1)).collect();
        assert_eq!(others.len(), 7);
        let (_pump, mut lane) = ahead.split();
        let piece = lane.next().now_or_never().expect("it came along");
        assert_eq!(piece.expect("not the end").expect("data"), "x");
        assert!(room.take(1).is_none(), "the handler may not have all of it");
        assert!(lane.next().now_or_never().expect("the end").is_none());
        drop(lane);
        assert!(room.take(1).is_some());
    }
}
