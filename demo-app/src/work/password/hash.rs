//! Hashes a password with a salt of its own.

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

impl HashRequest {
    pub(crate) fn password(&self) -> Result<&str, AppError> {
        PASSWORD.read(&self.password)
    }
}

pub(crate) fn argon2id(password: &str) -> Result<Hashed, AppError> {
    let hashed: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(AppError::Hashing)?;
    Ok(Hashed {
        phc: hashed.to_string(),
    })
}
