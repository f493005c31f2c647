//! `offload.app(factory)`: decides for each request of an app whether it runs here or on a lane.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use actix_http::{Payload, Request, RequestHead, Response, header};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, Service, ServiceFactory},
};
use futures_core::future::LocalBoxFuture;
use offload_core::{
    Terms,
    cost::{BodySize, SizeBucket},
    placement::{Placement, Policy},
    routes::Route,
};
use offload_http::mode::Mode;
use tokio::sync::oneshot;

use super::{
    call::{Caller, Framing, LaneCall, Refused, nobody, refusal},
    client::Client,
    context::{Handshake, LoopContext, Visit},
    factory::Hold,
    future::{AppBody, OffloadFuture, Placed},
    run::LoopRun,
    terms,
};
use crate::{
    answers,
    app_routes::{LoopRoutes, Prediction, Published, Slot, View},
    core::Core,
    declared::declared_size,
    hop::{
        body::OffloadBody,
        payload::{Ahead, LanePayload, comes_along},
        read_ahead::Share,
        reply::own,
    },
    lane_side::{instance::Owner, job::LaneJob},
    lifetime::{Crew, Member},
    maker::Maker,
    spans::Traced,
};

/// The factory of an app's service under [`Offload::app`](crate::Offload::app); `HttpServer::new`
/// takes a function that makes it.
pub struct OffloadApp<S, B> {
    maker: Maker<S>,
    core: Arc<Core>,
    owner: Arc<Owner<S>>,
    /// Those who serve for the same server.
    crew: Option<Arc<Crew>>,
    body: PhantomData<fn() -> B>,
}

impl<S, B> OffloadApp<S, B> {
    pub(crate) fn new(
        maker: Maker<S>,
        core: Arc<Core>,
        owner: Arc<Owner<S>>,
        crew: Option<Arc<Crew>>,
    ) -> Self {
        Self {
            maker,
            core,
            owner,
            crew,
            body: PhantomData,
        }
    }
}

impl<S, B> ServiceFactory<Request> for OffloadApp<S, B>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Service: 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    type Response = Response<AppBody<B>>;
    type Error = Error;
    type Config = AppConfig;
    type Service = OffloadService<S, B>;
    type InitError = S::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let factory = self.maker.make();
        let routes = self.owner.lane_apps().routes();
        // The factory has said by now whether the app has the live page.
        #[cfg(feature = "live")]
        self.core.live.pin(routes);
        let building = factory.new_service(config.clone());
        let routes = LoopRoutes::new(Arc::clone(routes));
        let core = Arc::clone(&self.core);
        let member = self.crew.as_ref().map(|crew| Rc::new(crew.join()));
        let hold = Hold::new(Arc::clone(&self.owner), config, member.clone());
        Box::pin(async move {
            Ok(OffloadService(Rc::new(Served {
                inner: Rc::new(building.await?),
                context: LoopContext::new(core, routes),
                hold: Rc::new(hold),
                body: PhantomData,
                _member: member,
            })))
        })
    }
}

/// An app's service under [`Offload::app`](crate::Offload::app) on one event loop.
pub struct OffloadService<S, B>(Rc<Served<S, B>>)
where
    S: ServiceFactory<Request>;

/// What one event loop has of an app.
pub(crate) struct Served<S, B>
where
    S: ServiceFactory<Request>,
{
    inner: Rc<S::Service>,
    // Dropped before the hold, or the stall watch would look at a loop that waits for the app's end.
    context: Rc<LoopContext>,
    hold: Rc<Hold<S>>,
    body: PhantomData<fn() -> B>,
    // Last, so that all else is gone for those who wait.
    _member: Option<Rc<Member>>,
}

impl<S, B> Service<Request> for OffloadService<S, B>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Service: 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    type Response = Response<AppBody<B>>;
    type Error = Error;
    type Future = OffloadFuture<S, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&self, request: Request) -> Self::Future {
        if self.0.context.core.mode == Mode::Off {
            return OffloadFuture::bare(self.0.inner.call(request));
        }
        OffloadFuture::arrived(Rc::clone(&self.0), request)
    }
}

impl<S, B> Served<S, B>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Service: 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    /// Decides where a request runs. Called as late as can be, in the first poll: of two hundred requests that
    /// come together all but the first then know what that one has shown.
    ///
    /// The run is made in its place, because there is room in it for all that the app's own future may need.
    #[inline]
    pub(crate) fn settle(&self, mut request: Request, mut placed: Pin<&mut Placed<S, B>>) {
        let view = self.context.routes.view();
        let predicted = view.published.predict(request.method(), request.uri());
        let empty = matches!(request.payload(), Payload::None);
        let bucket = SizeBucket::of(declared_size(empty, &request.head().headers));
        // actix gives every request that could become an upgrade a payload.
        let upgrade = !empty && request.head().upgrade();
        match self.place(&view, predicted, bucket, upgrade) {
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
                placed.set(self.to_lane(request, route, bucket, handshake));
            }
        }
    }

    fn place(
        &self,
        view: &View,
        predicted: Option<Prediction>,
        bucket: SizeBucket,
        upgrade: bool,
    ) -> Place {
        let published = &view.published;
        let Some(Prediction { slot, other, .. }) = predicted else {
            return match self.place_unknown() {
                Placement::Loop => Place::Loop,
                Placement::Lane => Place::Lane(None),
            };
        };
        let is_on_lane = |slot: &Slot| {
            let known = published.route(*slot);
            let placement = known.map_or_else(|| self.place_unknown(), |route| route.place(bucket));
            placement == Placement::Lane
        };
        // An upgrade works on either side, and what a client asks for does not outrank what is known.
        if upgrade && self.is_unknown_handshake(published, slot) {
            return Place::Lane(Some(slot));
        }
        // Where it cannot be foreseen which of both it is, a lane is right for either.
        if let Some(slot) = Some(slot).filter(is_on_lane).or(other.filter(is_on_lane)) {
            return Place::Lane(Some(slot));
        }
        if published.route(slot).is_none() {
            // Nothing but a setting leads here, and once per route: it has to be opened for its runs to be counted.
            self.context.routes.shared().open(published, slot);
        }
        Place::Loop
    }

    /// Whether nobody has said, and no request has shown, what becomes of a request for an upgrade.
    fn is_unknown_handshake(&self, published: &Published, slot: Slot) -> bool {
        let is_pinned = || {
            let route = published.route(slot);
            route.is_some_and(|route| route.pinned_by().is_some())
        };
        let learned = self.context.core.table.rules().policy == Policy::Learned;
        learned && !published.has_shaken_hands(slot) && !is_pinned()
    }

    /// Where a route runs of which nothing is known.
    fn place_unknown(&self) -> Placement {
        let rules = self.context.core.table.rules();
        match rules.policy {
            Policy::Learned => rules.unknown,
            Policy::AlwaysLane => Placement::Lane,
            Policy::AlwaysLoop => Placement::Loop,
        }
    }

    fn to_lane(
        &self,
        mut request: Request,
        route: Option<Arc<Route>>,
        bucket: SizeBucket,
        handshake: Option<Handshake>,
    ) -> Placed<S, B> {
        let client = Client::of(&request);
        if client.is_gone() {
            return Placed::refused(nobody());
        }
        let core = &self.context.core;
        let (terms, key) = match terms::of_request(core, request.head(), route.as_ref(), bucket) {
            Ok(terms) => terms,
            Err(bad) => return Placed::refused(own(answers::bad_deadline(&bad.header))),
        };
        let traced = Traced::of(core, request.head(), route.as_ref());
        let head = std::mem::take(request.head_mut());
        let declared = declared_size(false, &head.headers);
        let payload = request.take_payload();
        let framing = match (&payload, head.headers.contains_key(header::CONTENT_LENGTH)) {
            (Payload::H1 { .. }, true) => Framing::Length,
            (Payload::H1 { .. }, false) => Framing::Chunked,
            _ => Framing::Independent,
        };
        let (sender, reply) = oneshot::channel();
        let lane_app = Arc::clone(self.hold.app());
        let fate = traced.fate();
        let caller = Caller {
            reply,
            client,
            framing,
            handshake,
            route: route.clone(),
            core: Arc::clone(core),
            pass: Some(core.underway.enter(Rc::clone(&self.hold) as _)),
            fate: fate.clone(),
        };
        let along = match &payload {
            Payload::None => Along::Nothing,
            _ => self.along(&head, declared, &terms),
        };
        let submit = {
            let core = Arc::clone(core);
            move |lane_payload: Option<LanePayload>| {
                let job = LaneJob {
                    waiting: traced.wait(&core, route.as_ref()),
                    core: Arc::clone(&core),
                    app: lane_app,
                    head,
                    payload: lane_payload,
                    route: route.clone(),
                    bucket,
                    key,
                    submitted: Instant::now(),
                    reply: sender,
                };
                let submitted = core.lanes.submit(&terms, move || job.start::<B>());
                if let (Ok(_), Some(fate)) = (&submitted, fate) {
                    fate.taken();
                }
                submitted.map_err(|error| refused(route.as_ref(), &error))
            }
        };
        let looking = match along {
            Along::Small => Ok(Ahead::new(payload)),
            Along::Long(share) => Ok(Ahead::long(payload, share)),
            Along::Nothing => Err(payload),
        };
        let (pump, lane_payload) = match looking {
            Ok(ahead) => {
                let submit = Box::new(|lane_payload| submit(Some(lane_payload)));
                return Placed::on_lane(LaneCall::looking(ahead, submit, caller));
            }
            Err(Payload::None) => (None, None),
            Err(payload) => {
                let (pump, lane_payload) = Ahead::new(payload).split();
                (Some(pump), Some(lane_payload))
            }
        };
        match submit(lane_payload) {
            Ok(job) => Placed::on_lane(LaneCall::submitted(job, pump, caller)),
            Err(refused) => Placed::refused(turned_away(&caller, refused)),
        }
    }

    /// How much of its body a request waits for.
    fn along(&self, head: &RequestHead, declared: BodySize, terms: &Terms) -> Along {
        let core = &self.context.core;
        if comes_along(declared) {
            return Along::Small;
        }
        let BodySize::Known(bytes) = declared else {
            return Along::Nothing;
        };
        // Its patience is the client's, which counts from now on.
        let has_deadline = |header| head.headers.contains_key(header);
        if core.deadline_header.as_ref().is_some_and(has_deadline) {
            return Along::Nothing;
        }
        match core.read_ahead.take(bytes) {
            // Nothing is read of what would be refused.
            Some(share) if core.lanes.would_take(terms) => Along::Long(share),
            _ => Along::Nothing,
        }
    }
}

/// Where a request runs.
enum Place {
    Loop,
    /// On a lane, by what is known of this route.
    Lane(Option<Slot>),
}

/// What of its body comes to a lane together with a request, if it comes soon.
enum Along {
    Nothing,
    Small,
    /// All of it, for which there is room.
    Long(Share),
}

fn refused(route: Option<&Arc<Route>>, error: &offload_core::Error) -> Refused {
    if let (Some(route), Some(why)) = (route, error.refusal()) {
        route.count_refused(why);
    }
    Refused {
        delay: error.projected_delay().unwrap_or_default(),
    }
}

fn turned_away(caller: &Caller, refused: Refused) -> Response<OffloadBody> {
    if caller.core.underway.is_ending()
        && let Some(pass) = &caller.pass
    {
        pass.refused();
    }
    refusal(&caller.core, refused.delay)
}

impl<S, B> fmt::Debug for OffloadApp<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadApp").finish_non_exhaustive()
    }
}

impl<S, B> fmt::Debug for OffloadService<S, B>
where
    S: ServiceFactory<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadService")
            .field("hold", &self.0.hold)
            .finish_non_exhaustive()
    }
}
