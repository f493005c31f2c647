//! The process-wide lanes for `#[offload]` functions outside of any plugin.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::Lanes;
use crate::lane::BuildError;

static FALLBACK: OnceLock<Lanes> = OnceLock::new();
static BUILDING: Mutex<()> = Mutex::new(());

impl Lanes {
    /// The process-wide lanes that serve `#[offload]` functions which run without any plugin around them.
    ///
    /// They are created on first use with the default settings, and live as long as the process. A program that never
    /// calls such a function never has their threads.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] if the operating system gives no threads; the next call tries again.
    pub fn fallback() -> Result<Self, BuildError> {
        if let Some(lanes) = FALLBACK.get() {
            return Ok(lanes.clone());
        }
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lanes) = FALLBACK.get() {
            return Ok(lanes.clone());
        }
        let lanes = Self::builder().build()?;
        Ok(FALLBACK.get_or_init(|| lanes).clone())
    }
}
