//! Builds many records and writes them as JSON.

use serde::{Deserialize, Serialize};

use crate::{errors::AppError, fields::WholeNumber};

const ITEMS: WholeNumber = WholeNumber {
    field: "items",
    default: 100_000,
    max: 5_000_000,
};

#[derive(Debug, Deserialize)]
pub(crate) struct StringifyQuery {
    items: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Record {
    id: u64,
    name: &'static str,
    score: f64,
    active: bool,
}

impl StringifyQuery {
    pub(crate) fn items(&self) -> Result<u64, AppError> {
        ITEMS.read(self.items.as_deref())
    }
}

/// The same records each time.
pub(crate) fn records(items: u64) -> Vec<Record> {
    const NAMES: [&str; 4] = ["north", "east", "south", "west"];
    (0..items)
        .map(|id| Record {
            id,
            name: NAMES[(id % 4) as usize],
            // Spread over all of 0..1, so that the digits are as many as usual.
            score: id.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / u64::MAX as f64,
            active: id % 3 == 0,
        })
        .collect()
}
