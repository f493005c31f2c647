//! Runs a request where it is, on its event loop: measured, and with its panics contained.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::dev::Service;
use offload_http::panics::PanicPayload;
use pin_project_lite::pin_project;

use super::{
    context::Visit,
    pace::{Pace, Ticket},
};
use crate::panics;

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
        visit: Visit,
        ticket: Ticket,
    }

    impl<S, R> PinnedDrop for LoopRun<S, R>
    where
        S: Service<R>,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !matches!(*this.step, Step::Over) {
                // The client has left a request that still runs.
                this.visit.left();
                end(this.step, this.visit);
            }
        }
    }
}

/// Drops the handler's future where it is.
#[inline]
fn end<R, Fut>(mut step: Pin<&mut Step<R, Fut>>, visit: &Visit) {
    panics::contain(visit.route(), || step.set(Step::Over));
}

/// What a handler ended with.
pub(crate) type Answered<S, R> = Result<<S as Service<R>>::Response, <S as Service<R>>::Error>;

impl<S: Service<R>, R> LoopRun<S, R> {
    #[inline]
    pub(crate) fn new(service: Rc<S>, request: R, visit: Visit) -> Self {
        Self {
            service,
            step: Step::Call {
                request: Some(request),
            },
            visit,
            ticket: Ticket::default(),
        }
    }

    pub(crate) fn visit(&self) -> &Visit {
        &self.visit
    }

    /// Polls the request to its end and has `answer` make a response of that. The app has a part in it, too: error
    /// responses, and destructors of whatever a response holds. So its panics are contained like the handler's, but what the
    /// plugin does there is not measured.
    pub(crate) fn poll_with<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        answer: impl FnOnce(Answered<S, R>, &mut Visit) -> T,
    ) -> Poll<Result<T, PanicPayload>> {
        let mut this = self.project();
        // What has begun here stays, even if its route has turned out to be heavy meanwhile.
        let paced = matches!(*this.step, Step::Wait { .. }) && this.visit.is_paced();
        ready!(this.ticket.poll(paced, cx));
        // Set from within, so that it is not moved out through all that is around the app's code.
        let mut answered = None;
        let (polled, reading) = this.visit.measured(|| {
            // A panic leaves the app's state as it would without the plugin, where the worker lives
            // on too.
            catch_unwind(AssertUnwindSafe(|| {
                if let StepProj::Call { request } = this.step.as_mut().project() {
                    let request = request.take().expect("called once");
                    let future = this.service.call(request);
                    this.step.set(Step::Wait { future });
                }
                match this.step.as_mut().project() {
                    StepProj::Wait { future } => {
                        if let Poll::Ready(ended) = future.poll(cx) {
                            answered = Some(ended);
                        }
                    }
                    StepProj::Call { .. } => unreachable!("the service was called above"),
                    StepProj::Over => unreachable!("not polled after it was ready"),
                }
            }))
        });
        this.visit.polled(reading);
        let heavy = this.visit.is_heavy(reading);
        if paced || heavy {
            Pace::here().polled(heavy);
        }
        let visit = this.visit;
        let answer = match (polled, answered) {
            (Ok(()), None) => {
                if heavy {
                    visit.tell();
                }
                return Poll::Pending;
            }
            (Ok(()), Some(answered)) => catch_unwind(AssertUnwindSafe(|| answer(answered, visit))),
            (Err(panic), _) => Err(panic),
        };
        end(this.step, visit);
        visit.finished();
        Poll::Ready(answer)
    }
}
