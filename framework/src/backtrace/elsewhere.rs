//! Where no backtrace of another thread can be taken: the same words, and always the same answer.

use super::Backtrace;

/// Whether backtraces of other threads can be had.
pub(crate) const AVAILABLE: bool = false;

/// Nothing is known of a stack here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackOf;

impl StackOf {
    /// None.
    pub(crate) fn current() -> Option<Self> {
        None
    }
}

/// Why no backtrace of a thread could be taken: not on this platform, or not built in.
#[derive(Debug, thiserror::Error)]
#[error("backtraces of other threads are not available here")]
pub(crate) struct Unavailable;

/// An error.
pub(crate) fn of_thread(StackOf: &StackOf) -> Result<Backtrace, Unavailable> {
    Err(Unavailable)
}

/// Nothing.
pub(crate) fn prepare() {}

/// None.
pub(crate) fn room_to_prepare() -> u64 {
    0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_backtrace_and_an_error_says_so() {
        assert!(StackOf::current().is_none());
        prepare();
        assert_eq!(room_to_prepare(), 0);
        assert!(of_thread(&StackOf).is_err());
    }
}
