//! Work that blocks, for the blocking pool of the plugin's own runtime, which panics if the system gives it no thread.
//!
//! Whether one can be had is tried a moment before. In between another may take the last one; then the task that asked panics.

use offload_core::rehearse_threads;
use tokio::task::{JoinError, spawn_blocking};

/// Runs `work` on the blocking pool, or right here if no thread can be had.
pub(crate) async fn run_or_here<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    match rehearse_threads(1) {
        Ok(_) => spawn_blocking(work).await,
        Err(_) => Ok(work()),
    }
}
