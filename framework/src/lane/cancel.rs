//! Lets a running job ask whether anybody still waits for it, since nothing can stop a computation from outside.

use std::{cell::RefCell, fmt, sync::Arc};

use super::account::Entry;

thread_local! {
    static CURRENT: RefCell<CancelToken> = const { RefCell::new(CancelToken(None)) };
}

/// Whether the job that runs on this thread now has lost whoever waited for it.
///
/// A closure that computes for long should ask now and then, and return early if so. Outside of a job it is false. A part
/// of the job that runs on another thread, such as one half of a `rayon::join`, has to take a [`CancelToken`] with it.
/// Costs a few nanoseconds.
///
/// # Examples
///
/// ```
/// use offload_core::{Lanes, is_cancelled};
///
/// let lanes = Lanes::builder().threads(1).build()?;
/// let primes = lanes.run(|| {
///     let mut found = Vec::new();
///     for n in 2..1_000_u32 {
///         if is_cancelled() {
///             break;
///         }
///         if (2..n).all(|d| n % d != 0) {
///             found.push(n);
///         }
///     }
///     found
/// });
/// assert_eq!(pollster::block_on(primes)?.len(), 168);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn is_cancelled() -> bool {
    CURRENT
        .try_with(|current| current.borrow().is_cancelled())
        .unwrap_or(false)
}

/// Tells a job, or any part of it on any thread, whether anybody still waits for it.
#[derive(Clone, Default)]
pub struct CancelToken(Option<Arc<Entry>>);

impl CancelToken {
    pub(super) fn of(entry: &Arc<Entry>) -> Self {
        Self(Some(Arc::clone(entry)))
    }

    /// The token of the job that runs on this thread now; outside of a job one that is never cancelled.
    #[must_use]
    pub fn current() -> Self {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .unwrap_or_default()
    }

    /// Whether whoever waited for the job has gone.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|entry| entry.is_abandoned())
    }

    /// Runs `work` as a part of the token's job, so that [`is_cancelled`] speaks of it.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = Entered(exchange(self.clone()));
        work()
    }
}

fn exchange(token: CancelToken) -> CancelToken {
    CURRENT
        .try_with(|current| current.replace(token))
        .unwrap_or_default()
}

/// Puts the token back that was current before.
struct Entered(CancelToken);

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped only after the exchange, so that no destructor runs while the cell is borrowed.
        drop(exchange(std::mem::take(&mut self.0)));
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}
