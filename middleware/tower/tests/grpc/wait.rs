//! Waiting for what has to come, on a machine of any speed; what never comes fails instead of hanging.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Longer than anything here takes on a slow machine.
pub(crate) const HANG: Duration = Duration::from_secs(60);

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < HANG, "never came: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
