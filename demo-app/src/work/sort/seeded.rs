//! Sorts many numbers that the server makes, on all cores that it is given.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rayon::slice::ParallelSliceMut;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{errors::AppError, fields::WholeNumber, hex::hex};

/// The largest needs 400 MB.
const N: WholeNumber = WholeNumber {
    field: "n",
    default: 1_000_000,
    max: 50_000_000,
};

const SEED: WholeNumber = WholeNumber {
    field: "seed",
    default: 1,
    max: u64::MAX,
};

/// How many numbers are given to the hash function at once.
const PIECE: usize = 1024;

#[derive(Debug, Deserialize)]
pub(crate) struct SortQuery {
    n: Option<String>,
    seed: Option<String>,
}

impl SortQuery {
    pub(crate) fn read(&self) -> Result<(usize, u64), AppError> {
        let n = N.read(self.n.as_deref())?;
        let seed = SEED.read(self.seed.as_deref())?;
        Ok((n as usize, seed))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    n: usize,
    min: Option<u64>,
    max: Option<u64>,
    sha256: String,
}

pub(crate) fn sort_seeded(n: usize, seed: u64) -> Summary {
    let rng = StdRng::seed_from_u64(seed);
    let mut numbers: Vec<u64> = rng.random_iter().take(n).collect();
    numbers.par_sort_unstable();
    Summary {
        n,
        min: numbers.first().copied(),
        max: numbers.last().copied(),
        sha256: sha256(&numbers),
    }
}

/// The digest of the numbers as little-endian bytes.
fn sha256(numbers: &[u64]) -> String {
    let mut hasher = Sha256::new();
    let mut bytes = Vec::with_capacity(PIECE * size_of::<u64>());
    for piece in numbers.chunks(PIECE) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|number| number.to_le_bytes()));
        hasher.update(&bytes);
    }
    hex(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_the_little_endian_bytes() {
        let numbers: Vec<u64> = (0..PIECE as u64 + 5).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(sha256(&numbers), hex(Sha256::digest(bytes)));
    }

    #[test]
    fn the_seed_decides_what_is_sorted() {
        let one = sort_seeded(1000, 1);
        assert!(one.min < one.max);
        assert_eq!(one.sha256, sort_seeded(1000, 1).sha256);
        assert_ne!(one.sha256, sort_seeded(1000, 2).sha256);
    }

    #[test]
    fn nothing_has_no_least_number() {
        let none = sort_seeded(0, 1);
        assert_eq!((none.min, none.max), (None, None));
    }
}
