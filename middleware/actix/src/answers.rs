//! The few answers that the plugin gives itself, as actix's responses.

use std::time::Duration;

use actix_http::{
    Response, StatusCode,
    header::{self, HeaderName},
};
use actix_web::{HttpResponse, body::BoxBody};
use offload_http::Answer;

/// An answer as a response.
pub(crate) fn response(answer: &Answer) -> Response<BoxBody> {
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if let Some(seconds) = answer.retry_after() {
        response.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    match answer.body() {
        Some(body) => response.json(body),
        None => response.finish(),
    }
    .into()
}

/// 500: the handler panicked, or the lane thread's app could not be built.
pub(crate) fn internal_error() -> Response<BoxBody> {
    response(&Answer::Panicked)
}

/// 400: the header in which the client says how long it waits cannot be read.
pub(crate) fn bad_deadline(header: &HeaderName) -> Response<BoxBody> {
    let header = header.as_str().to_owned();
    response(&Answer::BadDeadline { header })
}

/// 503: too much heavy work waits already. `delay` is how long the client would have waited.
pub(crate) fn overloaded(delay: Duration) -> Response<BoxBody> {
    response(&Answer::Overloaded { delay })
}

/// 499, as nginx has it for a client that closed its connection before it was answered. It reaches nobody.
pub(crate) fn client_closed_request() -> Response<BoxBody> {
    let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::new(status).into()
}
