//! Work for handlers that are to be heavy.

use std::time::Duration;

use actix_offload::clock::thread_cpu_time;

/// Computes until the calling thread has used so much of the CPU for it.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// offload_tests::work::burn(Duration::from_millis(2));
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// ```
pub fn burn(cost: Duration) {
    let end = thread_cpu_time() + cost;
    while thread_cpu_time() < end {
        std::hint::spin_loop();
    }
}
