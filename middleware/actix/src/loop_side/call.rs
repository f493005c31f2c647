//! Waits on the event loop for a request that runs on a lane: gives it its body before and meanwhile.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_http::{ConnectionType, RequestHead, Response, StatusCode};
use offload_core::{JobHandle, JobKey, Terms, admission::Refusal, cost::SizeBucket, routes::Route};
use offload_http::spans::{Fate, Traced};
use tokio::sync::oneshot;

use super::{client::Client, context::Handshake, look::Look};
use crate::{
    answers,
    core::Core,
    hop::{
        body::OffloadBody,
        payload::{Ahead, LanePayload, Pump},
        reply::{Reply, RequestBody, assemble, own},
    },
    lane_side::job::{LaneJob, LaneSide},
    lifetime::Pass,
    server_timing,
};

/// A request that goes to the lanes.
pub(super) struct Bound {
    pub(super) app: Arc<dyn LaneSide>,
    pub(super) head: RequestHead,
    pub(super) bucket: SizeBucket,
    pub(super) key: JobKey,
    pub(super) terms: Terms,
    pub(super) traced: Traced,
    pub(super) reply: oneshot::Sender<Reply>,
}

impl Bound {
    /// Submits it, with its body if it has one.
    ///
    /// # Errors
    ///
    /// No lane takes it. How long it would have waited.
    pub(super) fn submit(
        self,
        caller: &Caller,
        payload: Option<LanePayload>,
    ) -> Result<JobHandle, Duration> {
        let Caller {
            core, route, fate, ..
        } = caller;
        let Self { app, terms, .. } = self;
        let job = LaneJob {
            waiting: self.traced.wait(&core.underway, route.as_ref()),
            core: Arc::clone(core),
            head: self.head,
            payload,
            route: route.clone(),
            bucket: self.bucket,
            key: self.key,
            submitted: Instant::now(),
            reply: self.reply,
        };
        let submitted = core.lanes.submit(&terms, move || app.start(job));
        submitted
            .inspect(|_| {
                if let Some(fate) = fate {
                    fate.taken();
                }
            })
            .map_err(|error| {
                if let (Some(route), Some(why)) = (route, error.refusal()) {
                    route.count_refused(why);
                }
                error.projected_delay().unwrap_or_default()
            })
    }
}

/// A request that is on its way to a lane, is queued for it or runs there.
///
/// Dropping it, as actix does when it sees that the client has gone, takes the request out of the queue;
/// if it has begun, the handler is stopped at its next await. Where actix does not see it, the call does
/// and ends by itself.
pub(crate) struct LaneCall {
    // Dropped first: a request that has not begun never will.
    step: Step,
    caller: Caller,
}

/// Who waits for a request's answer, and what has to be known of the request for it.
pub(crate) struct Caller {
    pub(crate) reply: oneshot::Receiver<Reply>,
    pub(crate) client: Client,
    pub(crate) framing: Framing,
    pub(crate) handshake: Option<Handshake>,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) core: Arc<Core>,
    /// `None` once the response's body has it.
    pub(crate) pass: Option<Pass>,
    /// For the request's span, if it has one.
    pub(crate) fate: Option<Arc<Fate>>,
}

impl Caller {
    /// The answer to a request that no lane takes, or has no time left for.
    pub(super) fn refused(&self, delay: Duration) -> Response<OffloadBody> {
        let mut response = own(answers::overloaded(delay));
        if self.core.underway.is_ending() {
            if let Some(pass) = &self.pass {
                pass.refused();
            }
            // The client shall come back to whoever serves next.
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        response
    }
}

/// How far a request has come.
enum Step {
    /// What actix already has of the body is collected, so that it can go along.
    Looking(Box<Looking>),
    /// The lanes have it.
    Submitted { job: JobHandle, pump: Option<Pump> },
    /// There is nothing left to do.
    Over,
}

/// A request whose body is looked for.
struct Looking {
    ahead: Ahead,
    look: Look,
    bound: Bound,
}

impl Step {
    fn pump(&mut self) -> Option<&mut Pump> {
        match self {
            Self::Submitted { pump, .. } => pump.as_mut(),
            Self::Looking(_) | Self::Over => None,
        }
    }
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
    /// A request which goes to the lanes together with its body if that comes soon.
    pub(super) fn looking(ahead: Ahead, bound: Bound, caller: Caller) -> Self {
        let look = Look::First;
        let looking = Looking { ahead, look, bound };
        let step = Step::Looking(Box::new(looking));
        Self { step, caller }
    }

    /// A request that the lanes have.
    pub(crate) fn submitted(job: JobHandle, pump: Option<Pump>, caller: Caller) -> Self {
        let step = Step::Submitted { job, pump };
        Self { step, caller }
    }

    /// Submits the request once its body is there or was looked for often enough.
    ///
    /// # Errors
    ///
    /// No lane takes it. How long it would have waited.
    fn poll_submitted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Duration>> {
        let Step::Looking(looking) = &mut self.step else {
            return Poll::Ready(Ok(()));
        };
        let Looking { ahead, look, .. } = &mut **looking;
        // Where the server ends the request is submitted at once, to be answered in time.
        let ends = || self.caller.core.underway.is_ending();
        if ahead.poll(cx).is_pending() && !ends() && look.goes_on(ahead, cx) {
            return Poll::Pending;
        }
        let Step::Looking(looking) = mem::replace(&mut self.step, Step::Over) else {
            unreachable!("it was looking a moment ago");
        };
        let (pump, payload) = looking.ahead.split();
        let pump = Some(pump);
        let submitted = looking.bound.submit(&self.caller, Some(payload));
        Poll::Ready(submitted.map(|job| self.step = Step::Submitted { job, pump }))
    }

    fn pump(&mut self) -> Option<&mut Pump> {
        self.step.pump()
    }

    /// What is left of a request that has answered.
    fn take_rest(&mut self) -> (Option<JobHandle>, Option<Pump>) {
        match mem::replace(&mut self.step, Step::Over) {
            Step::Submitted { job, pump } => (Some(job), pump),
            Step::Looking(_) | Step::Over => (None, None),
        }
    }

    /// The answer to a request that a lane dropped, because it had waited too long or the lane ended.
    fn dropped(&mut self) -> Response<OffloadBody> {
        if let (Some(job), _) = self.take_rest()
            && job.has_expired()
            && let Some(route) = &self.caller.route
        {
            route.count_refused(Refusal::Expired);
        }
        let delay = self.caller.core.lanes.projected_delay(&Terms::new());
        self.caller.refused(delay)
    }

    fn answer(&mut self, reply: Reply) -> Response<OffloadBody> {
        let Reply {
            head,
            body,
            request_body,
            thread,
            queued,
            ran,
        } = reply;
        let upgraded = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if let Some(handshake) = &self.caller.handshake {
            handshake.answered(upgraded);
        }
        let (job, pump) = self.take_rest();
        let unfinished = pump.filter(|pump| !pump.reader_gone());
        let closes = !upgraded
            && match self.caller.framing {
                Framing::Independent => false,
                Framing::Length => request_body != RequestBody::Decoded,
                Framing::Chunked => request_body == RequestBody::Held,
            };
        let mut body = OffloadBody::new(body);
        if let Some(job) = job {
            body.keep_job(job, self.caller.pass.take());
        }
        if let Some(pump) = unfinished {
            body.keep_pumping(pump);
        }
        let mut response = assemble(head, body);
        if closes {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        server_timing::on_lane(
            &self.caller.core,
            response.head_mut(),
            thread.as_deref(),
            queued,
            ran,
        );
        response
    }

    /// Takes the request out of the queue, or stops its handler, because the client has gone.
    fn give_up(&mut self) {
        if let Some(fate) = &self.caller.fate {
            fate.cancelled();
        }
        let never_ran = match mem::replace(&mut self.step, Step::Over) {
            Step::Looking(_) => true,
            Step::Submitted { job, .. } => job.cancel(),
            Step::Over => false,
        };
        // One that has begun is counted where it is stopped.
        if never_ran && let Some(route) = &self.caller.route {
            route.count_cancelled();
        }
    }
}

impl Drop for LaneCall {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Future for LaneCall {
    type Output = Response<OffloadBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Err(delay) = ready!(self.poll_submitted(cx)) {
            return Poll::Ready(self.caller.refused(delay));
        }
        if let Some(pump) = self.pump() {
            pump.poll(cx);
        }
        let this = &mut *self;
        if this.caller.client.poll_gone(this.step.pump(), cx) {
            this.give_up();
            return Poll::Ready(nobody());
        }
        let Poll::Ready(reply) = Pin::new(&mut self.caller.reply).poll(cx) else {
            let Some(pass) = &mut self.caller.pass else {
                return Poll::Pending;
            };
            ready!(pass.poll_refused(cx));
            self.give_up();
            return Poll::Ready(self.caller.refused(Duration::ZERO));
        };
        if self.pump().is_some_and(|pump| !pump.has_ended()) {
            // actix may have stopped to read a long body, and does not notice on its own that nobody
            // wants the rest any more.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(match reply {
            Ok(reply) => self.answer(reply),
            Err(_) => self.dropped(),
        })
    }
}

/// The answer to a request whose client has gone, for the eyes of logs only.
pub(crate) fn nobody() -> Response<OffloadBody> {
    own(answers::client_closed_request())
}
