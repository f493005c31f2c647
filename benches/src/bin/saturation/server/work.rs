//! The heavy work that the handlers do, the same in every alternative.

use std::time::Duration;

use argon2::{Argon2, PasswordHash, PasswordHasher};
use offload_core::clock::thread_cpu_time;
use serde_json::Value;

/// The message of a panic that a client asked for.
pub(crate) const WANTED: &str = "the client asked for a panic";

/// Computes until the thread has spent `cost` on a CPU.
pub(crate) fn burn(cost: Duration) {
    let start = thread_cpu_time();
    while thread_cpu_time().saturating_sub(start) < cost {
        // The clock is a system call: most of the time should be the program's own.
        for number in 0..1_000_u64 {
            std::hint::black_box(number);
        }
    }
}

/// Hashes with argon2's default parameters and a salt of its own.
pub(crate) fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    let hashed: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hashed.to_string())
}

/// Parses any JSON and serialises it again.
pub(crate) fn round_trip(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    let value: Value = serde_json::from_slice(json)?;
    serde_json::to_vec(&value)
}

/// Panics, as asked.
pub(crate) fn panic() {
    std::panic::panic_any(WANTED);
}
