//! How long a request waits on the event loop for its body, so that the two go to a lane together.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::rt::time::{Instant, Sleep, sleep};

use crate::hop::payload::Ahead;

/// A body of which nothing has come for so long does not flow: its client is far away, slow, or waits for an answer first.
const PAUSE: Duration = Duration::from_millis(10);

/// So many times it may have flown before the request goes without the rest. A handler that works on its body while it
/// comes is not kept from that for longer.
const PAUSES: u32 = 24;

/// Which look at the body is the next.
#[derive(Debug)]
pub(super) enum Look {
    /// actix calls its service as soon as it has the head, before it decodes what came along with it.
    First,
    /// By now actix has decoded what came. The request is submitted in any case, because a client may wait for its answer
    /// before it sends the body.
    Last,
    /// As long as a long body flows.
    Flow(Flow),
}

/// A long body on its way.
#[derive(Debug)]
pub(super) struct Flow {
    tick: Pin<Box<Sleep>>,
    seen: u64,
    ticks_left: u32,
}

impl Look {
    /// Whether to wait for more of the body. The task is woken when it is time for another look.
    pub(super) fn goes_on(&mut self, ahead: &Ahead, cx: &mut Context<'_>) -> bool {
        match self {
            Self::First => {
                *self = if ahead.is_long() {
                    Self::Flow(Flow::begin(ahead.bytes()))
                } else {
                    Self::Last
                };
                cx.waker().wake_by_ref();
                true
            }
            Self::Last => false,
            Self::Flow(flow) => flow.goes_on(ahead.bytes(), cx),
        }
    }
}

impl Flow {
    fn begin(seen: u64) -> Self {
        Self {
            tick: Box::pin(sleep(PAUSE)),
            seen,
            ticks_left: PAUSES,
        }
    }

    fn goes_on(&mut self, bytes: u64, cx: &mut Context<'_>) -> bool {
        while let Poll::Ready(()) = self.tick.as_mut().poll(cx) {
            if bytes == self.seen || self.ticks_left == 0 {
                return false;
            }
            self.seen = bytes;
            self.ticks_left -= 1;
            self.tick.as_mut().reset(Instant::now() + PAUSE);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// How many times a body of which so many bytes have come at each look is waited for, with a pause after each.
    async fn looks(mut bytes: impl FnMut(u64) -> u64) -> u64 {
        let (mut flow, mut looks) = (Flow::begin(0), 0);
        while poll_fn(|cx| Poll::Ready(flow.goes_on(bytes(looks), cx))).await {
            looks += 1;
            tokio::time::advance(PAUSE).await;
        }
        looks
    }

    fn in_paused_time(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("starts")
            .block_on(test);
    }

    #[test]
    fn a_body_that_stops_is_not_waited_for() {
        in_paused_time(async {
            assert_eq!(looks(|_| 0).await, 1);
            assert_eq!(looks(|look| look.min(3)).await, 4);
        });
    }

    #[test]
    fn a_body_that_trickles_is_not_waited_for_for_ever() {
        in_paused_time(async {
            assert_eq!(looks(|look| look).await, u64::from(PAUSES) + 1);
        });
    }
}
