//! `.wrap(offload.clone())`: for apps that cannot hand over their factory.

use std::{
    fmt,
    future::{self, Future, Ready},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::Payload;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    error::InternalError,
};
use offload_core::{
    ambient,
    cost::{BodySize, SizeBucket},
};
use offload_http::mode::Mode;
use pin_project_lite::pin_project;

use crate::{
    Offload,
    app_routes::LoopRoutes,
    declared::declared_size,
    loop_side::{
        body::MeteredBody,
        context::{LoopContext, Visit},
        run::LoopRun,
    },
    panics, server_timing,
};

/// Measures, names and reports the routes of an app, and gives its `#[offload]` handlers their lane.
///
/// What it **cannot** do is move a request: by the time a middleware sees one, it is bound to its
/// event loop's thread. A heavy handler without `#[offload]` is found, named in
/// [`Offload::report`] and logged, and still freezes its loop. Use [`Offload::app`] for that.
///
/// Inside of an app that is served through [`Offload::app`] it does nothing, since everything it
/// does is done already.
impl<S, B> Transform<S, ServiceRequest> for Offload
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<MeteredBody<B>>;
    type Error = Error;
    type Transform = OffloadMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let routes = LoopRoutes::new(self.core.wrapped_app());
        future::ready(Ok(OffloadMiddleware {
            service: Rc::new(service),
            context: LoopContext::new(self.core.clone(), routes),
        }))
    }
}

/// The middleware that [`Offload`] makes of itself for `.wrap`.
pub struct OffloadMiddleware<S> {
    service: Rc<S>,
    context: Rc<LoopContext>,
}

impl<S, B> Service<ServiceRequest> for OffloadMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<MeteredBody<B>>;
    type Error = Error;
    type Future = WrapFuture<S>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        if ambient::current().is_some() || self.context.core.plugin.mode() == Mode::Off {
            return WrapFuture {
                step: Step::Through {
                    future: self.service.call(request),
                },
            };
        }
        let routes = &self.context.routes;
        let shared = routes.shared();
        if shared.wants_map() {
            shared.learn(request.resource_map(), &self.context.core.lanes);
        }
        let view = routes.view();
        let predicted = view.published.predict(request.method(), request.uri());
        if let Some(predicted) = predicted
            && view.published.route(predicted.slot).is_none()
        {
            // Once per route; no lane ever opens the routes of a wrapped app.
            shared.open(&view.published, predicted.slot);
        }
        let bucket = SizeBucket::of(body_size(&mut request));
        let context = Rc::clone(&self.context);
        let visit = Visit::new(context, view, predicted, request.uri(), bucket, false);
        WrapFuture {
            step: Step::Measured {
                run: LoopRun::new(Rc::clone(&self.service), request, visit),
            },
        }
    }
}

fn body_size(request: &mut ServiceRequest) -> BodySize {
    let (head, payload) = request.parts_mut();
    declared_size(matches!(payload, Payload::None), head.headers())
}

pin_project! {
    #[project = StepProj]
    enum Step<S>
    where
        S: Service<ServiceRequest>,
    {
        Measured { #[pin] run: LoopRun<S, ServiceRequest> },
        Through { #[pin] future: S::Future },
    }
}

pin_project! {
    /// The future of a response of an app that is wrapped.
    pub struct WrapFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        step: Step<S>,
    }
}

impl<S, B> Future for WrapFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<MeteredBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().step.project() {
            StepProj::Through { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map_body(|_, body| MeteredBody::plain(body))))
            }
            StepProj::Measured { mut run } => {
                let polled = run.as_mut().poll_with(cx, |answered, visit| {
                    if let Ok(response) = &answered {
                        visit.went(response.request(), response.status());
                    }
                    answered
                });
                let ended = ready!(polled);
                let visit = run.visit();
                let mut response = match ended {
                    Ok(answered) => answered?,
                    Err(panic) => {
                        let answer = panics::response(visit.route(), &*panic);
                        let error =
                            InternalError::from_response("the handler panicked", answer.into());
                        return Poll::Ready(Err(error.into()));
                    }
                };
                let head = response.response_mut().head_mut();
                server_timing::on_loop(visit.core(), head, visit.cost());
                Poll::Ready(Ok(
                    response.map_body(|_, body| MeteredBody::metered(body, visit))
                ))
            }
        }
    }
}

impl<S> fmt::Debug for OffloadMiddleware<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadMiddleware").finish_non_exhaustive()
    }
}

impl<S: Service<ServiceRequest>> fmt::Debug for WrapFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapFuture").finish_non_exhaustive()
    }
}
