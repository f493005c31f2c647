//! SHA-256 of a body of any length, in constant memory.

use actix_web::web;
use futures_util::StreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{errors::AppError, hex::hex};

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    bytes: u64,
    sha256: String,
}

/// `POST /digest`
pub(crate) async fn digest(mut body: web::Payload) -> Result<web::Json<Summary>, AppError> {
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| AppError::from_payload(&error))?;
        hasher.update(&piece);
        bytes += piece.len() as u64;
    }
    Ok(web::Json(Summary {
        bytes,
        sha256: hex(hasher.finalize()),
    }))
}
