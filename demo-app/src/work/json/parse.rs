//! Parses any JSON and says what it was like.

use serde::Serialize;

use super::shape::Shape;
use crate::errors::AppError;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    bytes: usize,
    depth: usize,
    values: u64,
}

pub(crate) fn summarise(text: &[u8]) -> Result<Summary, AppError> {
    let shape: Shape = serde_json::from_slice(text).map_err(|error| AppError::from_json(&error))?;
    Ok(Summary {
        bytes: text.len(),
        depth: shape.depth,
        values: shape.values,
    })
}
