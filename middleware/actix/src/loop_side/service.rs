//! `offload.app(factory)`: the app's service on each event loop.

use std::{
    fmt,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{Request, Response};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, Service, ServiceFactory},
};
use futures_core::future::LocalBoxFuture;
use offload_http::mode::Mode;

use super::{
    context::LoopContext,
    future::{AppBody, OffloadFuture, Served},
    hold::Hold,
};
use crate::{
    app_routes::LoopRoutes,
    core::Core,
    lane_side::apps::Owner,
    lifetime::Crew,
    maker::{App, Maker},
};

/// The factory of an app's service under [`Offload::app`](crate::Offload::app); `HttpServer::new`
/// takes a function that makes it.
pub struct OffloadApp<S, B> {
    maker: Maker<S>,
    core: Arc<Core>,
    owner: Arc<Owner<S, B>>,
    /// Those who serve for the same server.
    crew: Option<Arc<Crew>>,
}

impl<S, B> OffloadApp<S, B> {
    pub(crate) fn new(
        maker: Maker<S>,
        core: Arc<Core>,
        owner: Arc<Owner<S, B>>,
        crew: Option<Arc<Crew>>,
    ) -> Self {
        Self {
            maker,
            core,
            owner,
            crew,
        }
    }
}

impl<S, B> ServiceFactory<Request> for OffloadApp<S, B>
where
    S: App<B>,
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
                _member: member,
            })))
        })
    }
}

/// An app's service under [`Offload::app`](crate::Offload::app) on one event loop.
pub struct OffloadService<S, B>(Rc<Served<S, B>>)
where
    S: ServiceFactory<Request>;

impl<S, B> Service<Request> for OffloadService<S, B>
where
    S: App<B>,
    B: MessageBody + 'static,
{
    type Response = Response<AppBody<B>>;
    type Error = Error;
    type Future = OffloadFuture<S, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&self, request: Request) -> Self::Future {
        if self.0.context.core.plugin.mode() == Mode::Off {
            return OffloadFuture::bare(self.0.inner.call(request));
        }
        OffloadFuture::arrived(Rc::clone(&self.0), request)
    }
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
        f.debug_struct("OffloadService").finish_non_exhaustive()
    }
}
