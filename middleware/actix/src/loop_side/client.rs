//! Notices that the client of a request on a lane has gone where actix does not drop what waits for the answer.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::{Request, Version};
use actix_web::rt::time::{Instant, Sleep, sleep};

use super::lifeline::Lifeline;
use crate::hop::payload::Pump;

/// How often a waiting request of HTTP/2 looks for its client.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How much later it looks for each other one that waits on the same event loop: a look takes about
/// a microsecond, and all of them together shall not take more than a fiftieth of the loop.
const LATER_FOR_EACH: Duration = Duration::from_micros(50);

thread_local! {
    static LOOKING: Cell<u32> = const { Cell::new(0) };
}

/// The client of one request.
pub(crate) enum Client {
    /// Only actix looks at it.
    Unwatched,
    /// A connection of HTTP/1, through [`Offload::on_connect`](crate::Offload::on_connect).
    Connection(Rc<Lifeline>),
    /// A stream of HTTP/2. actix serves it in a task of its own, which it does not end with the
    /// stream, nor with the connection.
    Stream(Option<Look>),
}

impl Client {
    pub(crate) fn of(request: &Request) -> Self {
        if request.version() == Version::HTTP_2 {
            return Self::Stream(None);
        }
        Lifeline::of(request).map_or(Self::Unwatched, Self::Connection)
    }

    /// Whether it has gone already.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Connection(lifeline) => lifeline.is_cut(),
            Self::Unwatched | Self::Stream(_) => false,
        }
    }

    /// Whether it has gone; the task is woken when it does later. `pump` is that of its request body.
    pub(crate) fn poll_gone(&mut self, pump: Option<&mut Pump>, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Unwatched => false,
            Self::Connection(lifeline) => lifeline.poll_cut(cx),
            // A body that has not ended tells of it when the handler asks for more.
            Self::Stream(look) => {
                let Some(pump) = pump else {
                    return false;
                };
                if pump.is_cut(cx) {
                    return true;
                }
                if pump.has_ended() {
                    look.get_or_insert_with(Look::new).schedule(cx);
                }
                false
            }
        }
    }
}

/// Wakes a task from time to time, because nothing does when a stream is reset whose request is
/// complete.
pub(crate) struct Look {
    timer: Pin<Box<Sleep>>,
}

impl Look {
    fn new() -> Self {
        LOOKING.with(|looking| looking.set(looking.get() + 1));
        Self {
            timer: Box::pin(sleep(Self::interval())),
        }
    }

    fn interval() -> Duration {
        LOOK_EVERY + LATER_FOR_EACH * LOOKING.with(Cell::get)
    }

    fn schedule(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(()) = self.timer.as_mut().poll(cx) {
            self.timer.as_mut().reset(Instant::now() + Self::interval());
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        // An event loop that ends may have lost the count before its last tasks.
        let _ = LOOKING.try_with(|looking| looking.set(looking.get() - 1));
    }
}
