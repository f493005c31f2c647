//! Times as the whole nanoseconds that atomics hold.

use std::time::Duration;

/// So many nanoseconds; 584 years are the most.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
