//! Errors as actix's responses, and actix's errors as the demo's.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    error::{BlockingError, JsonPayloadError, PayloadError, QueryPayloadError},
    http::{
        StatusCode,
        header::{ALLOW, HeaderValue},
    },
    web::JsonConfig,
};

use crate::errors::AppError;

impl AppError {
    /// The response to send, for handlers that have no error to return.
    pub(crate) fn answer(&self) -> HttpResponse {
        self.error_response()
    }

    /// What is wrong with a body that could not be read.
    pub(super) fn from_payload(error: &PayloadError) -> Self {
        match error {
            PayloadError::Overflow => Self::BodyTooLong,
            // A chunk that is none is one of these as well.
            PayloadError::Incomplete(_) => Self::BodyCut,
            error => Self::Body {
                reason: error.to_string(),
            },
        }
    }
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Some(allowed) = self.allowed() {
            answer.insert_header((ALLOW, HeaderValue::from_static(allowed)));
        }
        answer.json(self.body())
    }
}

impl From<BlockingError> for AppError {
    fn from(error: BlockingError) -> Self {
        Self::Blocking(error.into())
    }
}

/// Bodies up to `limit` bytes, and errors that name the field.
pub(super) fn json_config(limit: usize) -> JsonConfig {
    JsonConfig::default().limit(limit).error_handler(json)
}

/// What a query string that can't be taken apart is answered with.
pub(super) fn query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    let reason = match &error {
        QueryPayloadError::Deserialize(reason) => reason.to_string(),
        error => error.to_string(),
    };
    AppError::Query { reason }.into()
}

/// What a JSON body that can't be used is answered with.
fn json(error: JsonPayloadError, _: &HttpRequest) -> actix_web::Error {
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
pub(super) fn unreadable(error: &actix_web::Error) -> AppError {
    match error.as_error() {
        Some(error) => AppError::from_payload(error),
        None => AppError::Body {
            reason: error.to_string(),
        },
    }
}
