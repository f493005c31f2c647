//! One whole request on a lane thread: through the app's instance there, and its response back.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix_http::{Method, Payload, Request, RequestHead, Response, Uri};
use actix_web::{
    Error,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{AppConfig, Service, ServiceFactory, ServiceResponse},
};
use futures_util::future::{Either, select};
use offload_core::{
    Bill, JobKey, Stay,
    cost::SizeBucket,
    placement::Placement,
    routes::{Observation, PinSource, Route},
};
use tokio::sync::oneshot;

use super::{
    instance::{LaneApp, LaneInstance},
    run::{LaneHost, LaneRun, Ran, contained},
    stream::Making,
};
use crate::{
    answers,
    app_routes::{AppRoutes, UNMATCHED, Went},
    core::Core,
    hop::{
        payload::{LanePayload, Seen},
        reply::{Parts, Reply, RequestBody, disassemble},
    },
    local, panics,
    spans::Waiting,
};

/// A request that crosses to a lane, with all that is needed there.
pub(crate) struct LaneJob<S> {
    pub(crate) core: Arc<Core>,
    pub(crate) app: Arc<LaneApp<S>>,
    pub(crate) head: RequestHead,
    pub(crate) payload: Option<LanePayload>,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) bucket: SizeBucket,
    pub(crate) key: JobKey,
    pub(crate) submitted: Instant,
    pub(crate) waiting: Waiting,
    pub(crate) reply: oneshot::Sender<Reply>,
}

impl<S> LaneJob<S> {
    /// Starts the request on the calling lane thread, whose next poll of its `LocalSet` runs it.
    pub(crate) fn start<B>(self)
    where
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Service: 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        B: MessageBody + 'static,
    {
        // Made here, while this is the lane's present job, whose token it takes along.
        let instance = self.app.instance::<S::Service>();
        let tasks = Rc::clone(instance.tasks());
        let lanes = self.core.lanes.clone();
        let host = LaneHost::new(lanes, self.key, self.route.as_deref(), tasks);
        let bill = Bill::take_over();
        // While it waits, others go to other threads.
        let stay = Stay::here();
        let served = self.serve::<B>(instance, host, bill);
        let task = async move {
            let _stay = stay;
            served.await;
        };
        if local::spawn_local(task).is_err() {
            // The job is dropped, and with it the reply's sender: the event loop answers.
            tracing::error!(target: "offload", "a request was started outside of a lane thread");
        }
    }

    async fn serve<B>(
        self,
        instance: LaneInstance<S::Service>,
        host: Rc<LaneHost>,
        bill: Option<Bill>,
    ) where
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Service: 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        B: MessageBody + 'static,
    {
        let Self {
            core,
            app,
            head,
            payload,
            route,
            bucket,
            key,
            submitted,
            waiting,
            mut reply,
        } = self;
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
            let built = app.build(&instance).await;
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
        let ran = {
            let mut run = pin!(LaneRun::new(handler, Rc::clone(&host), &spans));
            let ran = match select(run.as_mut(), pin!(reply.closed())).await {
                Either::Left((ran, _)) => Some(ran),
                Either::Right(_) => None,
            };
            if ran.is_none() {
                subject.find(app.routes());
            }
            let so_far = run.end(subject.route.as_ref());
            ran.ok_or(so_far)
        };
        let ran = match ran {
            Ok(ran) => ran,
            Err(so_far) => {
                subject.observe_left(so_far, queued);
                spans.routed(subject.route.as_ref());
                spans.ended(false);
                if let Some(route) = &subject.route {
                    route.count_cancelled();
                }
                return;
            }
        };
        let Ran {
            outcome,
            cost,
            polls,
        } = ran;
        let took = started.elapsed();

        // The app has a part in this, too: error responses, and destructors of whatever a response holds.
        let (answered, _) = contained(&host, &spans, || match outcome {
            Ok(Ok(response)) => {
                subject.learn::<S::Response, B>(app.routes(), &response);
                let response: Response<B> = response.into();
                disassemble(response.map_body(|_, body| EitherBody::left(body)))
            }
            Ok(Err(failure)) => {
                subject.find(app.routes());
                let response = failure.into_response();
                disassemble(response.map_body(|_, body| EitherBody::right(body)))
            }
            Err(panic) => subject.panicked(app.routes(), &*panic),
        });
        let (head, body, tail) = answered
            .unwrap_or_else(|panic| spans.in_scope(|| subject.panicked(app.routes(), &*panic)));
        spans.routed(subject.route.as_ref());
        spans.answered(head.status);
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

/// The request as the model sees it.
pub(super) struct Subject {
    pub(super) core: Arc<Core>,
    pub(super) route: Option<Arc<Route>>,
    bucket: SizeBucket,
    key: JobKey,
    method: Method,
    uri: Uri,
    expected: Expected,
}

/// What the request says of the route that it was expected to have.
enum Expected {
    Open,
    /// It was this one.
    Right,
    /// It was another one, and nothing had said so.
    Mistaken(Arc<Route>),
}

impl Subject {
    /// Finds the route by what actix made of the request, guards included.
    fn learn<R: 'static, B: 'static>(&mut self, app: &Arc<AppRoutes>, response: &R) {
        let Some(response) = (response as &dyn Any).downcast_ref::<ServiceResponse<B>>() else {
            return self.find(app);
        };
        let request = response.request();
        app.learn(request.resource_map(), &self.core.lanes);
        let actual = request.match_pattern();
        if let Some(pattern) = &actual {
            app.met(pattern);
        }
        let published = app.published();
        let Some(predicted) = published.predict(&self.method, &self.uri) else {
            let slot = published.slot_named(&self.method, actual.as_deref());
            self.route = slot.map(|slot| app.open(&published, slot));
            return;
        };
        let changed = request.uri().path() != self.uri.path();
        let went = Went::to(actual.as_deref(), changed, response.status());
        let settled = published.settle(predicted, &went);
        self.route = Some(app.open(&published, settled.slot));
        self.expected = if settled.mistaken {
            Expected::Mistaken(app.open(&published, predicted.slot))
        } else if settled.slot == predicted.slot {
            Expected::Right
        } else {
            Expected::Open
        };
    }

    fn find(&mut self, app: &Arc<AppRoutes>) {
        if self.route.is_none() {
            let published = app.published();
            let predicted = published.predict(&self.method, &self.uri);
            self.route = predicted.map(|predicted| app.open(&published, predicted.slot));
        }
    }

    /// The answer to a request that panicked.
    fn panicked<B: MessageBody + 'static>(
        &mut self,
        app: &Arc<AppRoutes>,
        panic: &(dyn Any + Send),
    ) -> Parts<EitherBody<B, BoxBody>> {
        self.find(app);
        let response = panics::response(self.route.as_ref(), panic);
        disassemble(response.map_body(|_, body| EitherBody::right(body)))
    }

    /// Takes in a run whose client left before its end. It might have cost more, but not less.
    fn observe_left(&self, so_far: Duration, queued: Duration) {
        if so_far > self.core.table.rules().budget {
            self.observe_whole(so_far, queued, false);
        }
    }

    /// Takes in a run up to its response head.
    fn observe_whole(&self, cost: Duration, queued: Duration, error: bool) {
        // A cheap error says nothing of a request that is served; see `Route::observe_error`.
        if !error || cost > self.core.table.rules().budget {
            self.core.lanes.record(self.key, cost);
        }
        let Some(route) = &self.route else { return };
        let observation = Observation {
            cost,
            ran: Placement::Lane,
            queued: Some(queued),
        };
        // Errors are what unmatched requests usually end in, so there they do say what it costs.
        if error && route.pattern() != UNMATCHED {
            route.observe_error(self.bucket, observation);
        } else {
            route.observe(self.bucket, observation);
        }
        match &self.expected {
            Expected::Open => {}
            Expected::Right => route.confirm(),
            Expected::Mistaken(expected) if route.place(self.bucket) == Placement::Lane => {
                expected.doubt();
            }
            Expected::Mistaken(_) => {}
        }
    }

    /// Takes in a chunk of a body, as a run of its own.
    pub(super) fn observe_chunk(&self, cost: Duration) {
        let Some(route) = &self.route else { return };
        let observation = Observation {
            cost,
            ran: Placement::Lane,
            queued: None,
        };
        route.observe(self.bucket, observation);
    }

    fn pin(&self) {
        if let Some(route) = &self.route {
            route.pin(Placement::Lane, PinSource::Attribute);
        }
    }
}
