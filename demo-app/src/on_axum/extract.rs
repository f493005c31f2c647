//! Queries and JSON bodies whose errors read as those of the demo on actix. axum's own name what is wrong in words of their own.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderMap, HeaderName,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use crate::{errors::AppError, work::bodies};

/// A query string.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

/// A JSON body of at most so many bytes.
#[derive(Debug)]
pub(super) struct Given<T, const LIMIT: usize>(pub(super) T);

/// The text of a JSON body of at most so many bytes, which is not parsed yet.
#[derive(Debug)]
pub(super) struct JsonText<const LIMIT: usize>(pub(super) Bytes);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = AppError;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, AppError> {
        let query = head.uri.query().unwrap_or_default();
        let asked = serde_urlencoded::from_str(query);
        asked.map(Self).map_err(|error| AppError::Query {
            reason: error.to_string(),
        })
    }
}

impl<T: DeserializeOwned, S: Sync, const LIMIT: usize> FromRequest<S> for Given<T, LIMIT> {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let JsonText::<LIMIT>(text) = JsonText::from_request(request, state).await?;
        let given = serde_json::from_slice(&text);
        given.map(Self).map_err(|error| AppError::from_json(&error))
    }
}

impl<S: Sync, const LIMIT: usize> FromRequest<S> for JsonText<LIMIT> {
    type Rejection = AppError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AppError> {
        if !text_of(request.headers(), CONTENT_TYPE).is_some_and(bodies::says_json) {
            return Err(AppError::NotJson);
        }
        let announced =
            text_of(request.headers(), CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if announced.is_some_and(|length: usize| length > LIMIT) {
            return Err(AppError::BodyTooLong);
        }
        read(request.into_body(), LIMIT).await.map(Self)
    }
}

/// Counts by itself: `axum::body::to_bytes` tells a body that is too long from one that breaks off by the error of another crate.
async fn read(body: Body, limit: usize) -> Result<Bytes, AppError> {
    let mut pieces = body.into_data_stream();
    let mut text = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| unreadable(&error))?;
        if text.len() + piece.len() > limit {
            return Err(AppError::BodyTooLong);
        }
        text.extend_from_slice(&piece);
    }
    Ok(text.freeze())
}

/// What is wrong with a body that could not be read: hyper has no more to say of it than that.
pub(super) fn unreadable(error: &axum::Error) -> AppError {
    tracing::debug!(%error, "a body could not be read");
    AppError::BodyCut
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
