//! The layer, and the service that it makes of another one.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use offload_http::App;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    body::OffloadBody,
    builder::Options,
    error::BoxError,
    future::OffloadFuture,
    layered::Layered,
    naming::{Naming, Protocol},
};

/// Has the requests of a service run where they belong: light ones on the worker that they have come to, CPU-heavy ones on a lane.
///
/// Made by [`Offload::layer`](crate::Offload::layer), [`grpc_layer`](crate::Offload::grpc_layer) or
/// [`layer_by`](crate::Offload::layer_by). Each has routes of its own; clones share them.
#[derive(Clone)]
pub struct OffloadLayer {
    layered: Arc<Layered>,
}

impl OffloadLayer {
    pub(crate) fn new(
        app: Arc<App>,
        options: Arc<Options>,
        naming: Naming,
        protocol: Protocol,
    ) -> Self {
        Self {
            layered: Arc::new(Layered {
                app,
                options,
                naming,
                protocol,
            }),
        }
    }
}

impl<S> Layer<S> for OffloadLayer {
    type Service = OffloadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OffloadService {
            inner,
            layered: Arc::clone(&self.layered),
        }
    }
}

/// A service whose requests run where they belong; see [`OffloadLayer`].
#[derive(Clone)]
pub struct OffloadService<S> {
    inner: S,
    layered: Arc<Layered>,
}

impl<S, Q, B> Service<Request<Q>> for OffloadService<S>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Q: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<OffloadBody<B>>;
    type Error = S::Error;
    type Future = OffloadFuture<S, Q, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        // The one that was asked whether it is ready is the one that is called.
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        OffloadFuture::arrived(Arc::clone(&self.layered), ready, request)
    }
}

impl fmt::Debug for OffloadLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadLayer")
            .field("app", &self.layered.app)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for OffloadService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
