//! The few answers that the layer gives itself.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};
use offload_http::Answer;

use crate::{
    body::OffloadBody,
    naming::{GRPC_STATUS, Protocol},
};

const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The codes of gRPC that are of interest here.
mod code {
    pub(super) const INVALID_ARGUMENT: u16 = 3;
    pub(super) const RESOURCE_EXHAUSTED: u16 = 8;
    pub(super) const INTERNAL: u16 = 13;
    pub(super) const UNAVAILABLE: u16 = 14;
}

/// An answer as a response of that protocol, to a request that came in that version of HTTP.
pub(crate) fn response<B>(
    answer: &Answer,
    protocol: Protocol,
    version: Version,
) -> Response<OffloadBody<B>> {
    match protocol {
        Protocol::Http => in_http(answer, version),
        Protocol::Grpc => in_grpc(answer),
    }
}

fn in_http<B>(answer: &Answer, version: Version) -> Response<OffloadBody<B>> {
    let text = answer.body().map(|body| Bytes::from(body.to_string()));
    let json = text.is_some();
    let mut response = Response::new(OffloadBody::own(text));
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if json {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
    }
    if let Some(seconds) = answer.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if matches!(answer, Answer::Ending { .. }) && version < Version::HTTP_2 {
        // The client shall come back to whoever serves next. Later versions have no such header.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// With trailers only: a status of HTTP would say that something between client and service had failed.
fn in_grpc<B>(answer: &Answer) -> Response<OffloadBody<B>> {
    let (code, message) = match answer {
        Answer::Overloaded { .. } => (code::RESOURCE_EXHAUSTED, "overloaded"),
        Answer::Ending { .. } => (code::UNAVAILABLE, "the server ends"),
        Answer::BadDeadline { .. } => (code::INVALID_ARGUMENT, "grpc-timeout cannot be read"),
        Answer::Panicked => (code::INTERNAL, "the handler panicked"),
    };
    let mut response = Response::new(OffloadBody::own(None));
    let headers = response.headers_mut();
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, grpc);
    headers.insert(GRPC_STATUS, HeaderValue::from(code));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    if let Some(seconds) = answer.retry_after() {
        headers.insert(GRPC_PUSHBACK, HeaderValue::from(seconds * 1_000));
    }
    response
}
