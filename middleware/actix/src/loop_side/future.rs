//! A request of an app under `offload.app`, from its first poll, which decides where it runs, to its response.

use std::{
    any::Any,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_http::{Payload, Request, Response, StatusCode};
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceFactory, ServiceResponse},
    error::InternalError,
};
use offload_core::cost::SizeBucket;
use pin_project_lite::pin_project;

use super::{
    body::MeteredBody,
    call::LaneCall,
    context::{Handshake, LoopContext, Visit},
    hold::Hold,
    place::Place,
    run::{Answered, LoopRun},
    to_lane::to_lane,
};
use crate::{
    app_routes::Prediction,
    declared::declared_size,
    hop::{body::OffloadBody, reply::own},
    lane_side::job::LaneSide,
    lifetime::Member,
    maker::App,
    panics, server_timing,
};

/// The body of a response of an app under `offload.app`: one that is made on the event loop, or any other.
///
/// The first is boxed, so that the others, which nearly all are, are not moved about with the room for it.
pub type AppBody<B> = EitherBody<Pin<Box<MeteredBody<B>>>, OffloadBody>;

/// What one event loop has of an app.
pub(crate) struct Served<S, B>
where
    S: ServiceFactory<Request>,
{
    pub(super) inner: Rc<S::Service>,
    // Dropped before the hold, or the stall watch would look at a loop that waits for the app's end.
    pub(super) context: Rc<LoopContext>,
    pub(super) hold: Rc<Hold<S, B>>,
    // Last, so that all else is gone for those who wait.
    pub(super) _member: Option<Rc<Member>>,
}

impl<S, B> Served<S, B>
where
    S: App<B>,
    B: MessageBody + 'static,
{
    /// Decides where a request runs. Called as late as can be, in the first poll: of two hundred requests that
    /// come together all but the first then know what that one has shown.
    ///
    /// The run is made in its place, because there is room in it for all that the app's own future may need.
    #[inline]
    fn settle(&self, mut request: Request, mut placed: Pin<&mut Placed<S, B>>) {
        let view = self.context.routes.view();
        let predicted = view.published.predict(request.method(), request.uri());
        let empty = matches!(request.payload(), Payload::None);
        let bucket = SizeBucket::of(declared_size(empty, &request.head().headers));
        // actix gives every request that could become an upgrade a payload.
        let upgrade = !empty && request.head().upgrade();
        match self.context.place(&view, predicted, bucket, upgrade) {
            Place::Loop => {
                let context = Rc::clone(&self.context);
                let visit = Visit::new(context, view, predicted, request.uri(), bucket, upgrade);
                let run = LoopRun::new(Rc::clone(&self.inner), request, visit);
                placed.set(Placed::Loop { run });
            }
            Place::Lane(slot) => {
                // Opened by the first request, and not by the first answer: until then it would be one of those that may be of any route.
                let routes = self.context.routes.shared();
                let route = slot.map(|slot| routes.open(&view.published, slot));
                let handshake = match predicted {
                    Some(Prediction { slot, .. }) if upgrade => Some(Handshake { view, slot }),
                    _ => None,
                };
                let hold = Rc::clone(&self.hold);
                let app = Arc::clone(hold.app()) as Arc<dyn LaneSide>;
                let core = &self.context.core;
                let sent = to_lane(core, (app, hold), request, route, bucket, handshake);
                placed.set(match sent {
                    Ok(call) => Placed::Lane {
                        call: Box::new(call),
                    },
                    Err(response) => Placed::Refused {
                        response: Some(response),
                    },
                });
            }
        }
    }
}

/// A request that has come, and the app that it is for.
type Arrived<S, B> = (Rc<Served<S, B>>, Request);

pin_project! {
    /// Where a request runs.
    #[project = PlacedProj]
    enum Placed<S, B>
    where
        S: ServiceFactory<Request>,
    {
        // Nowhere yet. `None` only while it is decided.
        Arrived { arrived: Option<Arrived<S, B>> },
        Loop { #[pin] run: LoopRun<S::Service, Request> },
        Lane { call: Box<LaneCall> },
        Bare { #[pin] future: <S::Service as Service<Request>>::Future },
        Refused { response: Option<Response<OffloadBody>> },
    }
}

pin_project! {
    /// The future of a response of an app under `offload.app`.
    pub struct OffloadFuture<S, B>
    where
        S: ServiceFactory<Request>,
    {
        #[pin]
        placed: Placed<S, B>,
    }
}

impl<S: ServiceFactory<Request>, B> OffloadFuture<S, B> {
    /// A request that is placed when it is polled.
    pub(crate) fn arrived(app: Rc<Served<S, B>>, request: Request) -> Self {
        Self {
            placed: Placed::Arrived {
                arrived: Some((app, request)),
            },
        }
    }

    /// A request that is none of the plugin's business.
    pub(crate) fn bare(future: <S::Service as Service<Request>>::Future) -> Self {
        Self {
            placed: Placed::Bare { future },
        }
    }
}

impl<S, B> Future for OffloadFuture<S, B>
where
    S: App<B>,
    B: MessageBody + 'static,
{
    type Output = Result<Response<AppBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let PlacedProj::Arrived { arrived } = this.placed.as_mut().project()
            && let Some((app, request)) = arrived.take()
        {
            app.settle(request, this.placed.as_mut());
        }
        let response = match this.placed.project() {
            PlacedProj::Arrived { .. } => unreachable!("settled in the first poll"),
            PlacedProj::Loop { mut run } => {
                // Set from within, so that it is not moved out through all that is around the app's code.
                let mut made = None;
                let ended = run.as_mut().poll_with(cx, |answered, visit| {
                    made = Some(answer::<S::Service, B>(answered, visit));
                });
                return Poll::Ready(match ready!(ended) {
                    Ok(()) => made.expect("made unless it panicked"),
                    Err(panic) => {
                        let response = own(panics::response(run.visit().route(), &*panic));
                        Ok(response.map_body(|_, body| EitherBody::right(body)))
                    }
                });
            }
            PlacedProj::Bare { future } => {
                let answered = ready!(future.poll(cx)).map_err(Into::into)?;
                let response: Response<B> = answered.into();
                return Poll::Ready(Ok(response
                    .map_body(|_, body| EitherBody::left(Box::pin(MeteredBody::plain(body))))));
            }
            PlacedProj::Lane { call } => ready!(Pin::new(&mut **call).poll(cx)),
            PlacedProj::Refused { response } => {
                response.take().expect("not polled after it was ready")
            }
        };
        Poll::Ready(Ok(response.map_body(|_, body| EitherBody::right(body))))
    }
}

/// The response, whose body is complete or still has to be made.
fn answer<S, B>(
    answered: Answered<S, Request>,
    visit: &mut Visit,
) -> Result<Response<AppBody<B>>, Error>
where
    S: Service<Request>,
    S::Response: Into<Response<B>> + 'static,
    S::Error: Into<Error>,
    B: MessageBody + 'static,
{
    let response = answered.map_err(|error| timed(error.into(), visit))?;
    learn::<_, B>(visit, &response);
    let mut response: Response<B> = response.into();
    visit.answered(response.status() == StatusCode::SWITCHING_PROTOCOLS);
    server_timing::on_loop(visit.core(), response.head_mut(), visit.cost());
    Ok(response.map_body(|_, body| {
        let size = body.size();
        match body.try_into_bytes() {
            // A complete body costs nothing to send and needs no measuring.
            Ok(bytes) => EitherBody::right(OffloadBody::complete(size, bytes)),
            Err(body) => EitherBody::left(Box::pin(MeteredBody::metered(body, visit))),
        }
    }))
}

/// Adds the timing to the response that an error will be.
fn timed(error: Error, visit: &Visit) -> Error {
    if !visit.core().server_timing {
        return error;
    }
    let mut response = error.error_response();
    server_timing::on_loop(visit.core(), response.head_mut(), visit.cost());
    InternalError::from_response(error, response).into()
}

/// Learns which route the request really had, and the app's patterns if no lane has yet, which happens where every request is
/// pinned here.
fn learn<R: 'static, B: 'static>(visit: &mut Visit, response: &R) {
    let Some(response) = (response as &dyn Any).downcast_ref::<ServiceResponse<B>>() else {
        return;
    };
    let routes = visit.context().routes.shared();
    if routes.wants_map() {
        routes.learn(response.request().resource_map(), &visit.core().lanes);
    }
    visit.went(response.request(), response.status());
}
