//! Work that blocks, for the blocking pool of the plugin's own runtime, which panics if the system gives it no thread.
//!
//! Whether one can be had is tried a moment before. In between another may take the last one; then the task that asked panics.

use offload_core::{NoThreads, rehearse_threads};
use tokio::task::{JoinError, spawn_blocking};

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undone {
    /// It has not begun.
    #[error(transparent)]
    NoThreads(#[from] NoThreads),
    /// It has panicked, or the runtime ends.
    #[error(transparent)]
    Ended(#[from] JoinError),
}

/// Runs `work` on the blocking pool, if a thread can be had.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Undone> {
    let rehearsed = rehearse_threads(1)?;
    drop(rehearsed);
    Ok(spawn_blocking(work).await?)
}

/// Runs `work` on the blocking pool, or right here if no thread can be had.
#[cfg(feature = "live")]
pub(crate) async fn run_or_here<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    match rehearse_threads(1) {
        Ok(_) => spawn_blocking(work).await,
        Err(_) => Ok(work()),
    }
}
