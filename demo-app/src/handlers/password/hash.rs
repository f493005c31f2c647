//! Hashes a password with a salt of its own.

use actix_web::web;
use argon2::{Argon2, PasswordHash, PasswordHasher};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PASSWORD;
use crate::errors::AppError;

#[derive(Debug, Deserialize)]
pub(crate) struct HashRequest {
    // Any value, so that a wrong one gets an error that names the field.
    #[serde(default)]
    password: Value,
}

#[derive(Debug, Serialize)]
pub(crate) struct Hashed {
    phc: String,
}

/// `POST /hash`
pub(crate) async fn hash(body: web::Json<HashRequest>) -> Result<web::Json<Hashed>, AppError> {
    let password = PASSWORD.read(&body.password)?;
    let hashed: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(AppError::Hashing)?;
    Ok(web::Json(Hashed {
        phc: hashed.to_string(),
    }))
}
