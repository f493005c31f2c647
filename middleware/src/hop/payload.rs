//! The request body on its way from the event loop to a lane, bounded and on demand.

use std::{
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

/// Pieces that may wait in the channel: together with HTTP/1's own buffer of 32 KiB a request holds a
/// small, fixed number of socket reads.
const PIECES: usize = 4;

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

/// The event loop's end: reads the connection's payload and feeds the lane.
pub(crate) struct Pump {
    payload: Payload,
    sender: mpsc::Sender<Piece>,
    demand: Arc<Demand>,
    done: bool,
}

/// The lane's end: the payload that the handler sees.
pub(crate) struct LanePayload {
    receiver: mpsc::Receiver<Piece>,
    demand: Arc<Demand>,
    seen: Arc<Seen>,
    ended: bool,
}

/// What the handler has had of its request body, for the decision whether the connection can stay.
#[derive(Default)]
pub(crate) struct Seen {
    item: AtomicBool,
}

impl Seen {
    /// Whether the handler was given any piece of the body, its end included.
    pub(crate) fn anything(&self) -> bool {
        self.item.load(Ordering::Relaxed)
    }
}

/// Splits a connection's payload into the end that stays and the end that goes.
pub(crate) fn split(payload: Payload) -> (Pump, LanePayload) {
    let (sender, receiver) = mpsc::channel(PIECES - 1);
    let demand = Arc::new(Demand::default());
    let pump = Pump {
        payload,
        sender,
        demand: Arc::clone(&demand),
        done: false,
    };
    let lane = LanePayload {
        receiver,
        demand,
        seen: Arc::default(),
        ended: false,
    };
    (pump, lane)
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
            let (piece, last) = match ready!(Pin::new(&mut self.payload).poll_next(cx)) {
                Some(Ok(data)) => (Piece::Data(data), false),
                Some(Err(err)) => (Piece::Failed(err), true),
                None => (Piece::End, true),
            };
            if self.sender.start_send(piece).is_err() || last {
                return Poll::Ready(());
            }
        }
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
        if !self.demand.wanted.swap(true, Ordering::AcqRel) {
            self.demand.loop_task.wake();
        }
        let piece = ready!(Pin::new(&mut self.receiver).poll_next(cx));
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
    use futures_util::{FutureExt, StreamExt, future::poll_fn};

    use super::*;

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
        let (mut pump, mut lane) = split(Payload::from(Bytes::from_static(b"hello")));
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
        let (pump, mut lane) = split(Payload::from(Bytes::from_static(b"hello")));
        drop(pump);
        let piece = lane.next().now_or_never().expect("closed");
        assert!(matches!(piece, Some(Err(PayloadError::Incomplete(None)))));
        assert!(lane.next().now_or_never().expect("fused").is_none());
    }

    #[test]
    fn a_reader_that_left_is_noticed() {
        let (mut pump, lane) = split(Payload::from(Bytes::from_static(b"hello")));
        assert!(!pump.reader_gone());
        drop(lane);
        assert!(pump.reader_gone());
        pump_once(&mut pump);
    }
}
