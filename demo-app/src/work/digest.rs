//! SHA-256 of a body of any length, in constant memory.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::hex::hex;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    bytes: u64,
    sha256: String,
}

/// Takes a body piece by piece.
#[derive(Default)]
pub(crate) struct Digester {
    hasher: Sha256,
    bytes: u64,
}

impl Digester {
    pub(crate) fn take(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
    }

    pub(crate) fn end(self) -> Summary {
        Summary {
            bytes: self.bytes,
            sha256: hex(self.hasher.finalize()),
        }
    }
}
