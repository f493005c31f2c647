//! The heavy work that the handlers do, the same in every alternative.

use std::time::Duration;

use argon2::{Argon2, PasswordHash, PasswordHasher};
use offload_core::clock::thread_cpu_time;
use rayon::slice::ParallelSliceMut;
use serde::Serialize;
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

/// Sorts so many numbers on all cores that rayon gives, and says which is in the middle.
pub(crate) fn sort(n: u64) -> Option<u64> {
    // An odd factor, the golden ratio of 64 bits, gives each number another place; its high bits are the mixed ones.
    let place = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).swap_bytes();
    let mut numbers: Vec<u64> = (0..n).map(place).collect();
    numbers.par_sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}

#[derive(Debug, Serialize)]
struct Record {
    id: u64,
    name: &'static str,
    score: f64,
    active: bool,
}

/// Makes so many records and writes them as JSON.
pub(crate) fn stringify(items: u64) -> serde_json::Result<Vec<u8>> {
    let record = |id| Record {
        id,
        name: if id % 2 == 0 { "north" } else { "south" },
        score: id as f64 / 7.0,
        active: id % 3 == 0,
    };
    serde_json::to_vec(&(0..items).map(record).collect::<Vec<_>>())
}

/// Parses any JSON and says of how many values it is made.
pub(crate) fn parse(json: &[u8]) -> serde_json::Result<u64> {
    fn values(value: &Value) -> u64 {
        1 + match value {
            Value::Array(items) => items.iter().map(values).sum(),
            Value::Object(fields) => fields.values().map(values).sum(),
            _ => 0,
        }
    }
    Ok(values(&serde_json::from_slice(json)?))
}

/// Panics, as asked.
pub(crate) fn panic() {
    std::panic::panic_any(WANTED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sorted_has_a_middle() {
        assert_eq!(sort(0), None);
        assert!(sort(1_000).is_some());
    }

    #[test]
    fn json_is_made_and_read_again() {
        let json = stringify(3).expect("JSON");
        // The array, and each record with its four fields.
        assert_eq!(parse(&json).expect("JSON"), 1 + 3 * 5);
        assert!(parse(b"{").is_err());
    }
}
