//! Parses a request body, on a lane if it is large.

use std::any;

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    error::{ErrorInternalServerError, JsonPayloadError, PayloadError},
    http::header,
    web::{Bytes, BytesMut},
};
use futures_core::future::LocalBoxFuture;
use futures_util::StreamExt;
use offload_core::{
    Terms,
    cost::{BodySize, SizeBucket},
};
use serde::de::DeserializeOwned;

use super::{Json, JsonConfig, lanes, on_event_loop, refused};

impl<T: DeserializeOwned + Send + 'static> FromRequest for Json<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let config = JsonConfig::of(&request).clone();
            let parsed = match collect(&request, payload, config.limit).await {
                Ok(bytes) => parse(bytes, config.threshold).await?,
                Err(error) => Err(error),
            };
            parsed
                .map(Json)
                .map_err(|error| match &config.error_handler {
                    Some(handler) => handler(error, &request),
                    None => error.into(),
                })
        })
    }
}

/// Reads the body; what it is and how long it may be are checked before that.
async fn collect(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
) -> Result<Bytes, JsonPayloadError> {
    let is_json = matches!(request.mime_type(), Ok(Some(mime))
        if mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json"));
    if !is_json {
        return Err(JsonPayloadError::ContentType);
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(length) = length.filter(|length| *length > limit) {
        return Err(JsonPayloadError::OverflowKnownLength { length, limit });
    }
    let mut body = BytesMut::with_capacity(length.unwrap_or(8 << 10).min(64 << 10));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error: PayloadError| JsonPayloadError::Payload(error))?;
        if body.len() + chunk.len() > limit {
            return Err(JsonPayloadError::Overflow { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The outer error is an answer of its own, the inner one is for the error handler.
async fn parse<T: DeserializeOwned + Send + 'static>(
    bytes: Bytes,
    threshold: usize,
) -> Result<Result<T, JsonPayloadError>, Error> {
    let length = bytes.len();
    let parse = move || serde_json::from_slice(&bytes).map_err(JsonPayloadError::Deserialize);
    if length >= threshold && on_event_loop() {
        let lanes = lanes().map_err(ErrorInternalServerError)?;
        // What it costs goes by the type and by the length.
        let size = SizeBucket::of(BodySize::Known(length as u64));
        let key = lanes.key((any::type_name::<T>(), size));
        let parsed = lanes.run_with(&Terms::new().key(key), parse).await;
        parsed.map_err(refused)
    } else {
        Ok(parse())
    }
}
