//! What the demo answers when it can't do as asked: a status, and JSON that names the field.

use argon2::password_hash;
use serde_json::{Value, json};

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
    #[error("breaks off before its end")]
    BodyCut,
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
    Blocking(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("there are no metrics any more")]
    Metrics(#[from] NoMetrics),
    #[error("the answer could not be written as JSON")]
    Serialize(#[from] serde_json::Error),
}

impl AppError {
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
            Self::Body { .. } | Self::BodyCut | Self::BodyTooLong => Some("body"),
            Self::NotJson => Some("content-type"),
            Self::MethodNotAllowed { .. } => Some("method"),
            Self::NotFound => Some("path"),
            Self::Hashing(_) | Self::Blocking(_) | Self::Metrics(_) | Self::Serialize(_) => None,
        }
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::BodyTooLong => 413,
            Self::NotJson => 415,
            Self::MethodNotAllowed { .. } => 405,
            Self::NotFound => 404,
            Self::Hashing(_) | Self::Blocking(_) | Self::Metrics(_) | Self::Serialize(_) => 500,
            _ => 400,
        }
    }

    /// The value of the answer's `Allow`, if it has one.
    pub(crate) fn allowed(&self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed { allowed } => Some(allowed),
            _ => None,
        }
    }

    /// The answer's JSON. What is the server's own fault is logged.
    pub(crate) fn body(&self) -> Value {
        if self.field().is_none() {
            tracing::error!(error = ?self, "a request failed");
        }
        json!({
            "error": { "field": self.field(), "message": self.to_string() }
        })
    }
}
