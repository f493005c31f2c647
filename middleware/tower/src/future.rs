//! The response of a service under an [`OffloadLayer`](crate::OffloadLayer), wherever its request runs.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_channel::oneshot;
use http::{HeaderName, HeaderValue, Request, Response, Version, header};
use http_body::Body;
use offload_core::{Task, ambient, cost::BodySize, placement::Placement};
use offload_http::{
    Answer, Arrival, End, Placed, Stub, Ticket, Timing, Visit, drain::Pass, mode::Mode, panics,
    server_timing,
};
use tower_service::Service;

use crate::{
    answers,
    body::{Beginning, OffloadBody},
    error::BoxError,
    lane::{self, Handler, Outcome, Reply},
    layered::Layered,
    naming::{Head, Protocol},
    rest::Rest,
    slot::Slot,
    surroundings::Surroundings,
};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The future of a response of an [`OffloadService`](crate::OffloadService).
///
/// # Panics
///
/// If it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it takes the request out of the queue; if it has begun, its handler is stopped at its next await.
pub struct OffloadFuture<S, Q, B>
where
    S: Service<Request<Q>>,
{
    layered: Arc<Layered>,
    version: Version,
    state: State<S, Q, B>,
}

/// What a request is told for which no time is left.
const ENDING: Answer = Answer::Ending {
    delay: Duration::ZERO,
};

/// How far a request has come.
enum State<S, Q, B>
where
    S: Service<Request<Q>>,
{
    /// It is placed when it is polled.
    Arrived(S, Request<Q>),
    /// None of the layer's business.
    Bare(Pin<Box<S::Future>>),
    Here(Handler<B, S::Error>, Visit),
    /// It has begun here and is heavy, and no lane takes it now: it takes turns.
    Stays(Handler<B, S::Error>, Visit, Rest, Option<Pass>),
    Lane(Box<OnLane<B, S::Error>>),
    Over,
}

/// A request that is on its way to a lane, is queued for it or runs there.
struct OnLane<B, E> {
    // Dropped first: a request that has not begun never will.
    task: Task<()>,
    reply: oneshot::Receiver<Reply<E>>,
    stub: Stub,
    pass: Pass,
    /// Where it has come from, if it has begun on a worker.
    origin: Option<(Slot<Handler<B, E>>, Visit)>,
}

impl<S, Q, B> OffloadFuture<S, Q, B>
where
    S: Service<Request<Q>>,
{
    pub(crate) fn arrived(layered: Arc<Layered>, service: S, request: Request<Q>) -> Self {
        Self {
            layered,
            version: request.version(),
            state: State::Arrived(service, request),
        }
    }
}

// What is pinned is in a box of its own.
impl<S, Q, B> Unpin for OffloadFuture<S, Q, B> where S: Service<Request<Q>> {}

impl<S, Q, B> Future for OffloadFuture<S, Q, B>
where
    S: Service<Request<Q>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Q: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<OffloadBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match mem::replace(&mut this.state, State::Over) {
                State::Arrived(mut service, request) => match this.place(&request) {
                    Ok(Some(Placed::Here(visit))) => {
                        // The call is a part of the work, too.
                        let begin = || Box::pin(service.call(request)) as Handler<B, S::Error>;
                        match this.run(begin, visit, cx) {
                            Ok(answered) => return Poll::Ready(answered),
                            Err((handler, visit)) => this.state = State::Here(handler, visit),
                        }
                        return Poll::Pending;
                    }
                    Ok(Some(Placed::Lane(mut ticket))) => {
                        this.trace(&mut ticket, Head::of(&request));
                        let handler = Box::pin(async move { service.call(request).await });
                        let lane = this.submit(&Slot::of(handler), ticket);
                        this.state = State::Lane(Box::new(lane));
                    }
                    Ok(None) => this.state = State::Bare(Box::pin(service.call(request))),
                    Err(answer) => return Poll::Ready(Ok(this.answer(&answer))),
                },
                State::Bare(mut future) => {
                    let Poll::Ready(answered) = future.as_mut().poll(cx) else {
                        this.state = State::Bare(future);
                        return Poll::Pending;
                    };
                    return Poll::Ready(answered.map(|response| response.map(OffloadBody::bare)));
                }
                State::Here(handler, visit) => {
                    // What has begun here is not bound to its thread, so it follows its route.
                    if visit.should_move() {
                        this.state = this.follow(handler, visit);
                        continue;
                    }
                    match this.run(|| handler, visit, cx) {
                        Ok(answered) => return Poll::Ready(answered),
                        Err((handler, visit)) => this.state = State::Here(handler, visit),
                    }
                    return Poll::Pending;
                }
                State::Stays(handler, visit, mut rest, mut pass) => {
                    if let Some(pass) = &mut pass
                        && pass.poll_refused(cx).is_ready()
                    {
                        pass.refused();
                        let route = visit.route().map(|route| &**route);
                        panics::contain(route, || drop(handler));
                        return Poll::Ready(Ok(this.answer(&ENDING)));
                    }
                    if rest.poll_turn(cx).is_pending() {
                        this.state = State::Stays(handler, visit, rest, pass);
                        return Poll::Pending;
                    }
                    match this.run(|| handler, visit, cx) {
                        Ok(answered) => return Poll::Ready(answered),
                        Err((handler, visit)) => {
                            this.state = State::Stays(handler, visit, rest, pass);
                        }
                    }
                    return Poll::Pending;
                }
                State::Lane(mut lane) => {
                    let Poll::Ready(replied) = lane.poll(cx) else {
                        this.state = State::Lane(lane);
                        return Poll::Pending;
                    };
                    match replied {
                        Replied::Answered(reply) => {
                            return Poll::Ready(this.answered(reply, *lane));
                        }
                        Replied::Back(handler, visit) => {
                            let pass = Some(lane.pass);
                            this.state = State::Stays(handler, visit, Rest::default(), pass);
                        }
                        Replied::Ended(answer) => return Poll::Ready(Ok(this.answer(&answer))),
                    }
                }
                State::Over => panic!("an `OffloadFuture` was polled after it was ready"),
            }
        }
    }
}

impl<S, Q, B> OffloadFuture<S, Q, B>
where
    S: Service<Request<Q>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Q: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Decides where a request runs; `None` if that is none of the layer's business.
    fn place(&self, request: &Request<Q>) -> Result<Option<Placed>, Answer> {
        let layered = &*self.layered;
        // Inside of another one of these layers that has decided already.
        if layered.app.mode() == Mode::Off || ambient::current().is_some() {
            return Ok(None);
        }
        let head = Head::of(request);
        let chosen = layered.options.deadline_header.as_ref();
        let deadline = layered.protocol.deadline(request.headers(), chosen);
        let placed = layered.app.arrive(&Arrival {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query(),
            route: layered.naming.name(head),
            size: size_of(request),
            deadline: *deadline.as_ref().unwrap_or(&None),
        });
        if matches!(placed, Placed::Lane(_)) {
            deadline?; // Light requests do not wait, so for them it means nothing.
        }
        // A job of a lane that asks is placed already, and would wait for itself.
        if matches!(&placed, Placed::Lane(ticket) if ticket.lanes().is_current()) {
            return Ok(None);
        }
        Ok(Some(placed))
    }

    fn trace(&self, ticket: &mut Ticket, head: Head<'_>) {
        let hook = self.layered.options.request_span.as_ref();
        ticket.trace(head.line(), hook.map(|make| || make(head)));
    }

    fn submit(&self, handler: &Slot<Handler<B, S::Error>>, ticket: Ticket) -> OnLane<B, S::Error> {
        let (sender, reply) = oneshot::channel();
        let (lanes, terms) = (ticket.lanes().clone(), ticket.terms().clone());
        let (stub, pass) = (ticket.stub(), ticket.enter());
        let protocol = self.layered.protocol;
        let served = lane::serve(
            handler.clone(),
            ticket,
            Surroundings::here(),
            protocol,
            sender,
        );
        let task = lanes.submit_future(&terms, served);
        stub.submitted();
        OnLane {
            task,
            reply,
            stub,
            pass,
            origin: None,
        }
    }

    /// Has what has begun here go on on a lane.
    fn follow(&self, handler: Handler<B, S::Error>, visit: Visit) -> State<S, Q, B> {
        let Some(ticket) = visit.ticket() else {
            return State::Stays(handler, visit, Rest::default(), None);
        };
        let slot = Slot::of(handler);
        let mut lane = self.submit(&slot, ticket);
        lane.origin = Some((slot, visit));
        State::Lane(Box::new(lane))
    }

    /// Polls a handler where it is; gives it back if it has not answered.
    fn run(
        &self,
        begin: impl FnOnce() -> Handler<B, S::Error>,
        mut visit: Visit,
        cx: &mut Context<'_>,
    ) -> Result<<Self as Future>::Output, Begun<B, S::Error>> {
        let mut handler = None;
        let polled = visit.poll(|| {
            let begun = handler.insert(begin());
            let answered = ready!(begun.as_mut().poll(cx));
            // It ends where it has run, and its destructors are part of the request.
            handler = None;
            // What the body has at once is a part of the work as well.
            Poll::Ready(answered.map(|response| response.map(|body| Beginning::of(body, cx))))
        });
        let answered = match (polled, handler) {
            (Ok(Poll::Pending), Some(handler)) => return Err((handler, visit)),
            (Ok(Poll::Pending), None) => unreachable!("it began before it was polled"),
            (Ok(Poll::Ready(answered)), _) => answered,
            (Err(panic), handler) => {
                visit.finish(End::Panicked);
                let route = visit.route().map(|route| &**route);
                panics::contain(route, || drop(handler));
                let answer = panics::answer(route, &*panic);
                return Ok(Ok(self.answer(&answer)));
            }
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(error) => {
                visit.finish(End::Failed);
                return Ok(Err(error));
            }
        };
        visit.finish(self.layered.protocol.end_of(&response));
        self.time(
            &mut response,
            Placement::Loop,
            None,
            Duration::ZERO,
            visit.cost(),
        );
        let (head, begun) = response.into_parts();
        let body = OffloadBody::here(begun, visit, &head.headers);
        Ok(Ok(Response::from_parts(head, body)))
    }

    fn answered(
        &self,
        reply: Reply<S::Error>,
        lane: OnLane<B, S::Error>,
    ) -> <Self as Future>::Output {
        let Reply {
            outcome,
            timing,
            thread,
        } = reply;
        let mut response = match outcome {
            Outcome::Error(error) => return Err(error),
            Outcome::Panicked(answer) => return Ok(self.answer(&answer)),
            Outcome::Response(response) => {
                let OnLane { task, pass, .. } = lane;
                let (head, seed) = response.into_parts();
                let body = OffloadBody::of_lane(seed, task, pass, &head.headers);
                Response::from_parts(head, body)
            }
        };
        let Timing { queued, ran } = timing;
        self.time(&mut response, Placement::Lane, thread, queued, ran);
        Ok(response)
    }

    fn answer(&self, answer: &Answer) -> Response<OffloadBody<B>> {
        answers::response(answer, self.layered.protocol, self.version)
    }

    fn time<T>(
        &self,
        response: &mut Response<T>,
        place: Placement,
        lane_thread: Option<String>,
        queued: Duration,
        ran: Duration,
    ) {
        if self.layered.options.server_timing && self.layered.protocol == Protocol::Http {
            let here = || thread::current().name().map(str::to_owned);
            let thread = lane_thread.or_else(here).unwrap_or_default();
            let value = server_timing::value(place, &thread, queued, ran);
            // A thread may have a name that no header can carry.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(SERVER_TIMING, value);
            }
        }
    }
}

/// A handler that has begun on a worker.
type Begun<B, E> = (Handler<B, E>, Visit);

/// How a request has come back from its lane.
enum Replied<B, E> {
    Answered(Reply<E>),
    /// No lane has taken it, and it had begun here.
    Back(Handler<B, E>, Visit),
    /// Without an answer of its own.
    Ended(Answer),
}

impl<B, E> OnLane<B, E> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Replied<B, E>> {
        let Poll::Ready(replied) = Pin::new(&mut self.reply).poll(cx) else {
            ready!(self.pass.poll_refused(cx));
            self.give_up();
            self.pass.refused();
            if let Some((slot, visit)) = &self.origin
                && let Some(handler) = slot.take()
            {
                // No lane has begun it. Its destructors are the app's.
                panics::contain(visit.route().map(|route| &**route), || drop(handler));
            }
            return Poll::Ready(Replied::Ended(ENDING));
        };
        if let Ok(reply) = replied {
            if let Some((_, visit)) = &mut self.origin {
                visit.moved();
            }
            return Poll::Ready(Replied::Answered(reply));
        }
        if let Some((slot, visit)) = self.origin.take() {
            if let Some(handler) = slot.take() {
                return Poll::Ready(Replied::Back(handler, visit));
            }
            self.origin = Some((slot, visit));
        }
        let ended = match ready!(Pin::new(&mut self.task).poll(cx)) {
            Err(error) => self.pass.refusal(self.stub.ended(error)),
            Ok(()) => Answer::Panicked, // It never ends so.
        };
        if let Some((_, visit)) = &mut self.origin {
            visit.moved();
        }
        Poll::Ready(Replied::Ended(ended))
    }

    /// Nobody waits for it any more.
    fn give_up(&self) {
        match self.origin {
            None => self.stub.left(),
            Some(_) => self.stub.given_up(), // What has begun on a worker says so itself.
        }
    }
}

impl<S, Q, B> Drop for OffloadFuture<S, Q, B>
where
    S: Service<Request<Q>>,
{
    fn drop(&mut self) {
        if let State::Lane(lane) = &self.state {
            lane.give_up();
        }
    }
}

/// What a request says of the size of its body.
fn size_of<Q: Body>(request: &Request<Q>) -> BodySize {
    if request.body().is_end_stream() {
        return BodySize::Known(0);
    }
    if let Some(exact) = request.body().size_hint().exact() {
        return BodySize::Known(exact);
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    length.map_or(BodySize::Unknown, BodySize::Known)
}

impl<S, Q, B> fmt::Debug for OffloadFuture<S, Q, B>
where
    S: Service<Request<Q>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadFuture").finish_non_exhaustive()
    }
}
