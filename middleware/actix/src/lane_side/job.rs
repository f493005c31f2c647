//! One whole request on a lane thread: through the app's instance there, and its response back.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use actix_http::{Payload, Request, RequestHead, Response};
use actix_web::{
    Error,
    body::{BoxBody, EitherBody, MessageBody},
    dev::Service,
};
use futures_util::future::{Either, select};
use offload_core::{Bill, JobKey, Stay, cost::SizeBucket, routes::Route};
use offload_http::spans::Waiting;
use tokio::sync::oneshot;

use super::{
    apps::LaneApp,
    instance::LaneInstance,
    run::{LaneHost, contained},
    stream::Making,
    subject::{Expected, Subject},
};
use crate::{
    answers,
    core::Core,
    hop::{
        payload::{LanePayload, Seen},
        reply::{Reply, RequestBody, disassemble},
    },
    local,
    maker::App,
    panics,
};

/// An app as a request finds it on a lane, with its own types out of sight.
pub(crate) trait LaneSide: Send + Sync {
    /// Starts a request on the calling lane thread, whose next poll of its `LocalSet` runs it.
    fn start(self: Arc<Self>, job: LaneJob);
}

/// A request that crosses to a lane, with all that is needed there.
pub(crate) struct LaneJob {
    pub(crate) core: Arc<Core>,
    pub(crate) head: RequestHead,
    pub(crate) payload: Option<LanePayload>,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) bucket: SizeBucket,
    pub(crate) key: JobKey,
    pub(crate) submitted: Instant,
    pub(crate) waiting: Waiting,
    pub(crate) reply: oneshot::Sender<Reply>,
}

impl<S: App<B>, B: MessageBody + 'static> LaneSide for LaneApp<S, B> {
    fn start(self: Arc<Self>, job: LaneJob) {
        // Made here, while this is the lane's present job, whose token it takes along.
        let instance = self.instance();
        let tasks = Rc::clone(instance.tasks());
        let lanes = job.core.lanes.clone();
        let host = LaneHost::new(lanes, job.key, job.route.as_deref(), tasks);
        let bill = Bill::take_over();
        // While it waits, others go to other threads.
        let stay = Stay::here();
        let served = self.serve(job, instance, host, bill);
        let task = async move {
            let _stay = stay;
            served.await;
        };
        if local::spawn_local(task).is_err() {
            // The job is dropped, and with it the reply's sender: the event loop answers.
            tracing::error!(target: "offload", "a request was started outside of a lane thread");
        }
    }
}

impl<S: App<B>, B: MessageBody + 'static> LaneApp<S, B> {
    async fn serve(
        self: Arc<Self>,
        job: LaneJob,
        instance: LaneInstance<S::Service>,
        host: Rc<LaneHost>,
        bill: Option<Bill>,
    ) {
        let LaneJob {
            core,
            head,
            payload,
            route,
            bucket,
            key,
            submitted,
            waiting,
            mut reply,
        } = job;
        let started = Instant::now();
        let queued = started - submitted;
        let mut spans = waiting.begin(route.as_ref());
        let seen = payload.as_ref().map(LanePayload::seen);
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let mut subject = Subject {
            core,
            route,
            bucket,
            key,
            method,
            uri,
            expected: Expected::Open,
        };

        let handler = async {
            let instance = instance; // It goes with the handler.
            let built = self.build(&instance).await;
            built.map_err(Failure::Init)?;
            let service = instance.service().ok_or(Failure::Gone)?;
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(Failure::Service)?;
            service
                .call(request(head, payload))
                .await
                .map_err(Failure::Service)
        };
        let mut handler = pin!(Some(handler));
        let (mut cost, mut polls) = (Duration::ZERO, 0_u64);
        let run = poll_fn(|cx| {
            let handler = handler.as_mut().as_pin_mut();
            let handler = handler.expect("not polled after its end");
            let (polled, took) = contained(&host, &spans, || handler.poll(cx));
            cost += took;
            polls += 1;
            match polled {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        });
        let outcome = match select(run, pin!(reply.closed())).await {
            Either::Left((outcome, _)) => Some(outcome),
            Either::Right(_) => None,
        };
        if outcome.is_none() {
            subject.find(self.routes());
        }
        // Where it is. If it has not ended, this is what cancels it.
        let (dropped, _) = contained(&host, &spans, || handler.set(None));
        if let Err(panic) = dropped {
            spans.in_scope(|| panics::log(subject.route.as_ref(), &*panic));
        }
        let Some(outcome) = outcome else {
            if let Some(bill) = bill {
                bill.settle(cost);
            }
            subject.observe_left(cost, queued);
            spans.routed(subject.route.as_ref());
            spans.ended(false);
            if let Some(route) = &subject.route {
                route.count_cancelled();
            }
            return;
        };
        let took = started.elapsed();

        let panicked = |subject: &mut Subject, panic: &(dyn Any + Send)| {
            subject.find(self.routes());
            let response = panics::response(subject.route.as_ref(), panic);
            disassemble(response.map_body(|_, body| EitherBody::right(body)))
        };
        // The app has a part in this, too: error responses, and destructors of whatever a response holds.
        let (answered, _) = contained(&host, &spans, || match outcome {
            Ok(Ok(response)) => {
                subject.learn::<S::Response, B>(self.routes(), &response);
                let response: Response<B> = response.into();
                disassemble(response.map_body(|_, body| EitherBody::left(body)))
            }
            Ok(Err(failure)) => {
                subject.find(self.routes());
                let response = failure.into_response();
                disassemble(response.map_body(|_, body| EitherBody::right(body)))
            }
            Err(panic) => panicked(&mut subject, &*panic),
        });
        let (head, body, tail) =
            answered.unwrap_or_else(|panic| spans.in_scope(|| panicked(&mut subject, &*panic)));
        spans.routed(subject.route.as_ref());
        spans.answered(head.status.as_u16());
        let error = head.status.is_client_error() || head.status.is_server_error();
        subject.observe_whole(cost, queued, error);
        if host.offload_was_met() {
            subject.pin();
        }
        let unread = |seen: &Seen| polls == 1 && !seen.anything();
        // Before the response's body is begun, which may read on.
        let request_body = match seen {
            Some(seen) if unread(&seen) && seen.is_held() => RequestBody::Held,
            Some(seen) if unread(&seen) => RequestBody::Dropped,
            Some(seen) if seen.leaves_much() => RequestBody::Left,
            _ => RequestBody::Decoded,
        };
        let mut tail = tail.map(|tail| Making::new(tail, &subject, &host, &spans));
        if let Some(tail) = &mut tail {
            tail.begin().await;
        }
        // What nobody takes is dropped at once, the receiver of the body's rest with it.
        let sent = reply
            .send(Reply {
                head,
                body,
                request_body,
                thread: thread::current().name().map(str::to_owned),
                queued,
                ran: took,
            })
            .is_ok();
        let streamed = match tail {
            Some(tail) => tail.go_on(sent).await,
            None => {
                spans.ended(sent);
                Duration::ZERO
            }
        };
        if let Some(bill) = bill {
            bill.settle(cost + streamed);
        }
    }
}

/// Puts a request together again on the lane thread.
fn request(head: RequestHead, payload: Option<LanePayload>) -> Request {
    let payload = match payload {
        Some(payload) => Payload::Stream {
            payload: Box::pin(payload) as _,
        },
        None => Payload::None,
    };
    let mut request = Request::with_payload(payload);
    *request.head_mut() = head;
    request
}

/// Why a service gave no response of its own.
enum Failure<E, I> {
    Init(I),
    Gone,
    Service(E),
}

impl<E: Into<Error>, I: fmt::Debug> Failure<E, I> {
    fn into_response(self) -> Response<BoxBody> {
        match self {
            Self::Service(error) => error.into().error_response().into(),
            Self::Init(error) => {
                tracing::error!(target: "offload", ?error, "the app could not be built on a lane thread");
                answers::internal_error()
            }
            Self::Gone => answers::internal_error(),
        }
    }
}
