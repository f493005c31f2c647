//! Services that are called without a server, for what no client can do.

use std::{
    convert::Infallible,
    future::Future,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::{Request, Response},
};
use http_body_util::BodyExt;
use tower::{
    Service,
    util::{BoxCloneService, service_fn},
};
use tower_offload::OffloadBody;

/// A request's body.
pub(crate) type Empty = http_body_util::Empty<Bytes>;

/// What a handler gives.
pub(crate) type Answer<E = Infallible> = Result<Response<Body>, E>;

pub(crate) fn empty(path: &str) -> Request<Empty> {
    Request::get(path).body(Empty::new()).expect("a request")
}

/// A service of one handler.
pub(crate) fn service<E: Send + 'static, F>(
    handler: impl FnOnce(Request<Empty>) -> F + Clone + Send + 'static,
) -> BoxCloneService<Request<Empty>, Response<Body>, E>
where
    F: Future<Output = Answer<E>> + Send + 'static,
{
    BoxCloneService::new(service_fn(move |request| handler.clone()(request)))
}

pub(crate) async fn text(response: Response<OffloadBody<Body>>) -> String {
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8(body.to_bytes().into()).expect("text")
}

/// Panics if it is called without having been asked whether it is ready; a clone knows nothing of the answer.
#[derive(Default)]
pub(crate) struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Empty>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        std::future::ready(Ok(Response::new(Body::from("strict"))))
    }
}
