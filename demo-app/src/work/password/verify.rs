//! Tells whether a password belongs to a hash, without letting the hash ask for any amount of work.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version, password_hash};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PASSWORD;
use crate::{errors::AppError, fields::Text};

const PHC: Text = Text {
    field: "phc",
    min: 1,
    max: 512,
};

/// The memory a hash may ask for, in KiB. Argon2's recommendation for servers is a quarter of it.
const MAX_MEMORY: u32 = 256 * 1024;

/// How often a hash may ask to pass over the memory.
const MAX_PASSES: u32 = 8;

/// How many lanes a hash may have.
const MAX_LANES: u32 = 16;

#[derive(Debug, Deserialize)]
pub(crate) struct VerifyRequest {
    // Any values, so that wrong ones get errors that name the field.
    #[serde(default)]
    password: Value,
    #[serde(default)]
    phc: Value,
}

#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    ok: bool,
}

pub(crate) fn verify(asked: &VerifyRequest) -> Result<Verified, AppError> {
    let password = PASSWORD.read(&asked.password)?;
    let phc = parse(PHC.read(&asked.phc)?)?;
    let ok = match Argon2::default().verify_password(password.as_bytes(), &phc) {
        Ok(()) => true,
        Err(password_hash::Error::PasswordInvalid) => false,
        Err(error) => return Err(refused(error)),
    };
    Ok(Verified { ok })
}

/// Takes a hash apart and refuses it if it would cost too much, or can't be verified at all.
fn parse(text: &str) -> Result<PasswordHash, AppError> {
    let phc = PasswordHash::new(text).map_err(refused)?;
    Algorithm::try_from(phc.algorithm.as_str()).map_err(refused)?;
    if let Some(version) = phc.version {
        Version::try_from(version).map_err(refused)?;
    }
    if phc.salt.is_none() || phc.hash.is_none() {
        return Err(refused("a salt and a hash are needed"));
    }
    let params = Params::try_from(&phc).map_err(refused)?;
    let too_much =
        params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES;
    if too_much {
        return Err(AppError::PhcCost {
            max_memory: MAX_MEMORY,
            max_passes: MAX_PASSES,
            max_lanes: MAX_LANES,
        });
    }
    Ok(phc)
}

fn refused(reason: impl ToString) -> AppError {
    AppError::Phc {
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT_AND_HASH: &str =
        "c29tZXNhbHRzb21lc2FsdA$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";

    #[test]
    fn hashes_that_cost_too_much_are_refused_unseen() {
        for params in [
            "m=262145,t=1,p=1",
            "m=4294967295,t=1,p=1",
            "m=1024,t=9,p=1",
            "m=1024,t=4294967295,p=1",
            "m=1024,t=1,p=17",
        ] {
            let text = format!("$argon2id$v=19${params}${SALT_AND_HASH}");
            let error = parse(&text).expect_err(params);
            assert!(
                matches!(error, AppError::PhcCost { .. }),
                "{params}: {error}"
            );
        }
        let text = format!("$argon2id$v=19$m=262144,t=8,p=16${SALT_AND_HASH}");
        assert!(parse(&text).is_ok());
    }

    #[test]
    fn what_can_not_be_verified_is_refused() {
        let argon2id = |rest: &str| format!("$argon2id${rest}");
        for text in [
            "secret".to_owned(),
            "$argon2id".to_owned(),
            argon2id("v=19$m=1024,t=1,p=1"),
            argon2id("v=19$m=1024,t=1,p=1$c29tZXNhbHRzb21lc2FsdA"),
            argon2id(&format!("v=18$m=1024,t=1,p=1${SALT_AND_HASH}")),
            argon2id(&format!("v=19$m=0,t=1,p=1${SALT_AND_HASH}")),
            argon2id(&format!("v=19$m=99999999999,t=1,p=1${SALT_AND_HASH}")),
            argon2id(&format!("v=19$m=1024,t=1,p=1${SALT_AND_HASH}$more")),
            format!("$scrypt$ln=16,r=8,p=1${SALT_AND_HASH}"),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(matches!(error, AppError::Phc { .. }), "{text}: {error}");
        }
    }
}
