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
    Ok(web::Json(argon2id(password)?))
}

/// `POST /block/hash`
pub(crate) async fn blocking(body: web::Json<HashRequest>) -> Result<web::Json<Hashed>, AppError> {
    let password = PASSWORD.read(&body.password)?.to_owned();
    let hashed = web::block(move || argon2id(&password)).await??;
    Ok(web::Json(hashed))
}

fn argon2id(password: &str) -> Result<Hashed, AppError> {
    let hashed: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(AppError::Hashing)?;
    Ok(Hashed {
        phc: hashed.to_string(),
    })
}
