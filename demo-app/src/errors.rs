//! What the demo answers when it can't do as asked: a status, and JSON that names the field.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    error::{BlockingError, JsonPayloadError, PayloadError, QueryPayloadError},
    http::{
        StatusCode,
        header::{ALLOW, HeaderValue},
    },
};
use argon2::password_hash;
use serde_json::json;

use crate::metrics::NoMetrics;

/// A request that can't be answered as asked.
///
/// The answer is `{"error": {"field": "ms", "message": "must be a whole number from 0 to 60000, not `abc`"}}`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    #[error("must be a whole number from {min} to {max}, not `{given}`")]
    Number {
        field: &'static str,
        min: u64,
        max: u64,
        given: String,
    },
    #[error("must be given, as a string")]
    NotText { field: &'static str },
    #[error("must have from {min} to {max} bytes, not {given}")]
    TextLength {
        field: &'static str,
        min: usize,
        max: usize,
        given: usize,
    },
    #[error("is no argon2 hash in PHC format that can be verified: {reason}")]
    Phc { reason: String },
    #[error("asks for too much: at most m={max_memory} KiB, t={max_passes}, p={max_lanes}")]
    PhcCost {
        max_memory: u32,
        max_passes: u32,
        max_lanes: u32,
    },
    #[error("is malformed: {reason}")]
    Query { reason: String },
    #[error("cannot be used: {reason}")]
    Body { reason: String },
    #[error("is longer than this route accepts")]
    BodyTooLong,
    #[error("must be application/json")]
    NotJson,
    #[error("must be one of: {allowed}")]
    MethodNotAllowed { allowed: &'static str },
    #[error("leads nowhere")]
    NotFound,
    #[error("the password could not be hashed")]
    Hashing(#[source] password_hash::Error),
    #[error("the work could not be done off the event loop")]
    Blocking(#[from] BlockingError),
    #[error("there are no metrics any more")]
    Metrics(#[from] NoMetrics),
    #[error("the answer could not be written as JSON")]
    Serialize(#[from] serde_json::Error),
}

impl AppError {
    /// The response to send, for handlers that have no error to return.
    pub(crate) fn answer(&self) -> HttpResponse {
        self.error_response()
    }

    /// What is wrong with a body that could not be read.
    pub(crate) fn from_payload(error: &PayloadError) -> Self {
        match error {
            PayloadError::Overflow => Self::BodyTooLong,
            error => Self::Body {
                reason: error.to_string(),
            },
        }
    }

    pub(crate) fn from_json(error: &serde_json::Error) -> Self {
        Self::Body {
            reason: error.to_string(),
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Number { field, .. }
            | Self::NotText { field }
            | Self::TextLength { field, .. } => Some(field),
            Self::Phc { .. } | Self::PhcCost { .. } => Some("phc"),
            Self::Query { .. } => Some("query"),
            Self::Body { .. } | Self::BodyTooLong => Some("body"),
            Self::NotJson => Some("content-type"),
            Self::MethodNotAllowed { .. } => Some("method"),
            Self::NotFound => Some("path"),
            Self::Hashing(_) | Self::Blocking(_) | Self::Metrics(_) | Self::Serialize(_) => None,
        }
    }
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Hashing(_) | Self::Blocking(_) | Self::Metrics(_) | Self::Serialize(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if self.field().is_none() {
            tracing::error!(error = ?self, "a request failed");
        }
        let mut answer = HttpResponse::build(self.status_code());
        if let Self::MethodNotAllowed { allowed } = self {
            answer.insert_header((ALLOW, HeaderValue::from_static(allowed)));
        }
        answer.json(json!({
            "error": { "field": self.field(), "message": self.to_string() }
        }))
    }
}

/// What a query string that can't be taken apart is answered with.
pub(crate) fn query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    let reason = match &error {
        QueryPayloadError::Deserialize(reason) => reason.to_string(),
        error => error.to_string(),
    };
    AppError::Query { reason }.into()
}

/// What a JSON body that can't be used is answered with.
pub(crate) fn json(error: JsonPayloadError, _: &HttpRequest) -> actix_web::Error {
    let answer = match &error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            AppError::BodyTooLong
        }
        JsonPayloadError::ContentType => AppError::NotJson,
        JsonPayloadError::Deserialize(error) => AppError::from_json(error),
        JsonPayloadError::Payload(error) => AppError::from_payload(error),
        error => AppError::Body {
            reason: error.to_string(),
        },
    };
    answer.into()
}

/// What is wrong with a body that an extractor of actix could not read.
pub(crate) fn unreadable(error: &actix_web::Error) -> AppError {
    match error.as_error() {
        Some(error) => AppError::from_payload(error),
        None => AppError::Body {
            reason: error.to_string(),
        },
    }
}
