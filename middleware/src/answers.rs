//! The few answers that the plugin gives itself.

use std::time::Duration;

use actix_http::{
    Response, StatusCode,
    header::{self, HeaderName},
};
use actix_web::{HttpResponse, body::BoxBody};

/// 500: the handler panicked, or the lane thread's app could not be built.
pub(crate) fn internal_error() -> Response<BoxBody> {
    HttpResponse::InternalServerError().finish().into()
}

/// 400: the header in which the client says how long it waits cannot be read.
pub(crate) fn bad_deadline(header: &HeaderName) -> Response<BoxBody> {
    HttpResponse::BadRequest()
        .json(serde_json::json!({
            "error": format!("header `{header}` must be a whole number of milliseconds"),
        }))
        .into()
}

/// 503: too much heavy work waits already. `delay` is how long the client would have waited.
pub(crate) fn overloaded(delay: Duration) -> Response<BoxBody> {
    let seconds = delay.as_secs_f64().ceil().clamp(1.0, 3600.0) as u64;
    HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE)
        .insert_header((header::RETRY_AFTER, seconds.to_string()))
        .json(serde_json::json!({
            "error": "overloaded",
            "retry_after_seconds": seconds,
        }))
        .into()
}

/// 499, as nginx has it for a client that closed its connection before it was answered. It reaches nobody.
pub(crate) fn client_closed_request() -> Response<BoxBody> {
    let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::new(status).into()
}
