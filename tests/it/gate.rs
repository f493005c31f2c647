//! What tests hold threads with and wait by: a gate, and conditions instead of sleeps.

use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use offload_tests::connection::DEADLINE;

/// A pause in which others get the core: lane threads get none that a test spins on.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Holds the threads that wait at it until it is opened, as a computation does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().expect("no panic") = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let open = self.0.0.lock().expect("no panic");
        let waited = self.0.1.wait_timeout_while(open, DEADLINE, |open| !*open);
        let (_open, timed_out) = waited.expect("no panic");
        assert!(!timed_out.timed_out(), "the gate was never opened");
    }
}

/// Waits until a condition holds, or fails with `what` was waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what}: never");
        // Nothing tells when it comes true, so it is looked at again and again.
        thread::park_timeout(BETWEEN_LOOKS);
    }
}
