//! JSON in and out, the work that most handlers of the world do most.

pub(crate) mod parse;
mod shape;
pub(crate) mod stringify;
mod text;

use actix_web::web::JsonConfig;

use crate::errors;

/// Bodies up to `limit` bytes, and errors that name the field.
pub(crate) fn config(limit: usize) -> JsonConfig {
    JsonConfig::default()
        .limit(limit)
        .error_handler(errors::json)
}
