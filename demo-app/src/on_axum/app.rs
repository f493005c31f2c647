//! The routes on axum, the same with the layer and without.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodRouter, get, post},
};

use super::handlers::{self, blocking};
use crate::{errors::AppError, work::home::EventLoops};

/// All routes, without the layer.
pub(crate) fn routes() -> Router {
    light()
        .merge(heavy())
        .merge(side_by_side())
        .fallback(async || AppError::NotFound)
        .with_state(EventLoops::default())
}

fn light() -> Router<EventLoops> {
    Router::new().route(
        "/",
        only("GET, HEAD", get(handlers::home).head(handlers::home)),
    )
}

fn heavy() -> Router<EventLoops> {
    Router::new()
        .route("/timer", gets(handlers::timer))
        .route("/burn", gets(handlers::burn))
        .route("/json/stringify", gets(handlers::stringify))
        .route("/json/parse", posts(handlers::parse))
        .route(
            "/sort",
            only(
                "GET, POST",
                get(handlers::sort)
                    .head(refuse("GET, POST"))
                    .post(handlers::sort_given),
            ),
        )
        .route("/hash", posts(handlers::hash))
        .route("/verify", posts(handlers::verify))
        .route("/digest", posts(handlers::digest))
}

/// The same work pinned to the runtime's workers, and by `spawn_blocking`.
fn side_by_side() -> Router<EventLoops> {
    Router::new()
        .route("/inline/timer", gets(handlers::timer))
        .route("/inline/burn", gets(handlers::burn))
        .route("/inline/sort", gets(handlers::sort))
        .route("/inline/json/stringify", gets(handlers::stringify))
        .route("/inline/hash", posts(handlers::hash))
        .route("/block/timer", gets(blocking::timer))
        .route("/block/burn", gets(blocking::burn))
        .route("/block/sort", gets(blocking::sort))
        .route("/block/json/stringify", gets(blocking::stringify))
        .route("/block/hash", posts(blocking::hash))
}

/// Answers `GET` alone: axum would answer `HEAD` too.
fn gets<H: Handler<T, EventLoops>, T: 'static>(handler: H) -> MethodRouter<EventLoops> {
    only("GET", get(handler).head(refuse("GET")))
}

fn posts<H: Handler<T, EventLoops>, T: 'static>(handler: H) -> MethodRouter<EventLoops> {
    only("POST", post(handler))
}

/// The answer to any other method names those that are `allowed`.
fn only(allowed: &'static str, methods: MethodRouter<EventLoops>) -> MethodRouter<EventLoops> {
    methods.fallback(refuse(allowed))
}

fn refuse(
    allowed: &'static str,
) -> impl Fn() -> std::future::Ready<AppError> + Clone + Send + Sync + 'static {
    move || std::future::ready(AppError::MethodNotAllowed { allowed })
}
