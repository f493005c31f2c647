//! The process-wide lane for `#[offload]` functions outside of any plugin.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::{BuildError, Lane};

static FALLBACK: OnceLock<Lane> = OnceLock::new();
static BUILDING: Mutex<()> = Mutex::new(());

impl Lane {
    /// The process-wide lane that serves `#[offload]` functions which run without any plugin around them.
    ///
    /// It is created on first use with the default settings and the name `offload`, and lives as long as the process.
    /// A program that never calls such a function never has its threads.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] if the operating system gives no threads; the next call tries again.
    pub fn fallback() -> Result<Self, BuildError> {
        if let Some(lane) = FALLBACK.get() {
            return Ok(lane.clone());
        }
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = FALLBACK.get() {
            return Ok(lane.clone());
        }
        let lane = Self::builder().name("offload").build()?;
        Ok(FALLBACK.get_or_init(|| lane).clone())
    }
}
