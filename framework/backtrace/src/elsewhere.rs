//! Where no backtrace of another thread can be taken: the same words, and always the same answer.

use super::{Backtrace, Unavailable};

/// Whether backtraces of other threads can be had on this platform.
pub const AVAILABLE: bool = false;

/// Where the stack of one thread lies. Of none that is known here.
#[derive(Clone, Copy, Debug)]
pub struct Stack(());

impl Stack {
    /// None.
    #[must_use]
    pub fn current() -> Option<Self> {
        None
    }

    /// An error.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn backtrace(&self) -> Result<Backtrace, Unavailable> {
        Err(Unavailable::NotHere)
    }
}

/// Nothing.
pub fn prepare() {}

/// None.
#[must_use]
pub fn room_to_prepare() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_backtrace_and_an_error_says_so() {
        assert!(Stack::current().is_none());
        prepare();
        assert_eq!(room_to_prepare(), 0);
        assert!(Stack(()).backtrace().is_err());
    }
}
