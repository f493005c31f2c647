//! Parses any JSON and says what it was like.

use actix_web::web;
use serde::Serialize;

use super::{shape::Shape, text::JsonText};
use crate::errors::AppError;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    bytes: usize,
    depth: usize,
    values: u64,
}

/// `POST /json/parse`
pub(crate) async fn parse(JsonText(text): JsonText) -> Result<web::Json<Summary>, AppError> {
    let shape: Shape =
        serde_json::from_slice(&text).map_err(|error| AppError::from_json(&error))?;
    Ok(web::Json(Summary {
        bytes: text.len(),
        depth: shape.depth,
        values: shape.values,
    }))
}
