//! Waits on the event loop for a request that runs on a lane, feeding it its body meanwhile.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_http::{ConnectionType, Response};
use offload_core::JobHandle;
use tokio::sync::oneshot;

use crate::{
    answers,
    hop::{
        body::OffloadBody,
        payload::Pump,
        reply::{Reply, assemble, own},
    },
    offload::Core,
    server_timing,
};

/// A request that is queued for a lane or runs there.
///
/// Dropping it, as actix does when the client has gone, takes the request out of the queue; if it has
/// begun, the handler is stopped at its next await.
pub(crate) struct LaneCall {
    // Dropped first: a request that has not begun never will.
    _job: JobHandle,
    reply: oneshot::Receiver<Reply>,
    pump: Option<Pump>,
    framing: Framing,
    core: Arc<Core>,
}

/// How the request's body is framed, which decides whether actix keeps the connection when the
/// handler left the body unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body, or HTTP/2, where a connection never depends on one request.
    Independent,
    /// HTTP/1 with a length: unread bytes end the connection.
    Length,
    /// HTTP/1 chunked: what nobody holds any more is drained, otherwise as with a length.
    Chunked,
}

impl LaneCall {
    pub(crate) fn new(
        job: JobHandle,
        reply: oneshot::Receiver<Reply>,
        pump: Option<Pump>,
        framing: Framing,
        core: Arc<Core>,
    ) -> Self {
        Self {
            _job: job,
            reply,
            pump,
            framing,
            core,
        }
    }

    fn answer(&mut self, reply: Reply) -> Response<OffloadBody> {
        let Reply {
            head,
            body,
            unread,
            thread,
            queued,
            ran,
        } = reply;
        let unfinished = self.pump.take().filter(|pump| !pump.reader_gone());
        let closes = match self.framing {
            Framing::Independent => false,
            Framing::Length => unread,
            Framing::Chunked => unread && unfinished.is_some(),
        };
        let mut body = OffloadBody::new(body);
        if let Some(pump) = unfinished {
            body.keep_pumping(pump);
        }
        let mut response = assemble(head, body);
        if closes {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        server_timing::on_lane(&self.core, response.head_mut(), thread, queued, ran);
        response
    }
}

impl Future for LaneCall {
    type Output = Response<OffloadBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(pump) = &mut self.pump {
            pump.poll(cx);
        }
        let reply = ready!(Pin::new(&mut self.reply).poll(cx));
        if self.pump.is_some() {
            // actix may have stopped to read a long body, and does not notice on its own that nobody
            // wants the rest any more.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(match reply {
            Ok(reply) => self.answer(reply),
            // The lane ended before it could answer.
            Err(_) => refusal(Duration::ZERO),
        })
    }
}

/// The answer to a request that no lane takes.
pub(crate) fn refusal(delay: Duration) -> Response<OffloadBody> {
    own(answers::overloaded(delay))
}
