//! Runs a request where it is, on its event loop: measured, and with its panics contained.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::dev::Service;
use pin_project_lite::pin_project;

use super::context::Visit;
use crate::{lane_side::run::PanicPayload, panics};

pin_project! {
    #[project = StepProj]
    enum Step<R, Fut> {
        // The service is called in the first poll, so that the call is measured too.
        Call { request: Option<R> },
        Wait { #[pin] future: Fut },
        Over,
    }
}

pin_project! {
    /// A request that runs on its event loop.
    pub(crate) struct LoopRun<S, R>
    where
        S: Service<R>,
    {
        service: Rc<S>,
        #[pin]
        step: Step<R, S::Future>,
        visit: Option<Visit>,
    }

    impl<S, R> PinnedDrop for LoopRun<S, R>
    where
        S: Service<R>,
    {
        fn drop(this: Pin<&mut Self>) {
            // The client has left a request that still runs.
            let this = this.project();
            if let Some(visit) = this.visit.take() {
                end(this.step, &visit);
            }
        }
    }
}

/// Drops the handler's future where it is.
fn end<R, Fut>(mut step: Pin<&mut Step<R, Fut>>, visit: &Visit) {
    panics::contain(visit.route(), || step.set(Step::Over));
}

/// What a run on the event loop ended with.
pub(crate) type Ended<S, R> =
    Result<Result<<S as Service<R>>::Response, <S as Service<R>>::Error>, PanicPayload>;

impl<S: Service<R>, R> LoopRun<S, R> {
    pub(crate) fn new(service: Rc<S>, request: R, visit: Visit) -> Self {
        Self {
            service,
            step: Step::Call {
                request: Some(request),
            },
            visit: Some(visit),
        }
    }
}

impl<S: Service<R>, R> Future for LoopRun<S, R> {
    type Output = (Ended<S, R>, Visit);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut visit = this.visit.take().expect("not polled after it was ready");
        let (polled, reading) = visit.measured(|| {
            // A panic leaves the app's state as it would without the plugin, where the worker lives
            // on too.
            catch_unwind(AssertUnwindSafe(|| {
                if let StepProj::Call { request } = this.step.as_mut().project() {
                    let request = request.take().expect("called once");
                    let future = this.service.call(request);
                    this.step.set(Step::Wait { future });
                }
                match this.step.as_mut().project() {
                    StepProj::Wait { future } => future.poll(cx),
                    StepProj::Call { .. } => unreachable!("the service was called above"),
                    StepProj::Over => unreachable!("not polled after it was ready"),
                }
            }))
        });
        visit.polled(reading);
        let ended = match polled {
            Ok(Poll::Pending) => {
                *this.visit = Some(visit);
                return Poll::Pending;
            }
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        end(this.step, &visit);
        visit.finished();
        Poll::Ready((ended, visit))
    }
}
