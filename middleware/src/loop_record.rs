//! What each event loop says of itself: how many polls, how long the longest, and of which route.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use offload_core::routes::Route;
use serde::Serialize;

/// The record of one event loop, written by its own thread only.
#[derive(Default)]
pub(crate) struct LoopRecord {
    requests: AtomicU64,
    busy_nanos: AtomicU64,
    longest_nanos: AtomicU64,
    longest_route: Mutex<Option<Arc<Route>>>,
}

/// The records of all event loops of an [`Offload`](crate::Offload).
pub(crate) struct LoopRecords {
    /// Whether a thread asks for a core soon from when it is an event loop on.
    prompt: bool,
    records: Mutex<Vec<(ThreadId, Arc<LoopRecord>)>>,
}

/// What one event loop has done so far, measured by the plugin itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LoopReport {
    /// The event loop: 0, 1, 2, … in the order in which they started.
    pub event_loop: usize,
    /// Requests that ran on this event loop.
    pub requests: u64,
    /// The time that they kept it, in seconds.
    pub busy_seconds: f64,
    /// The longest that one poll of a request kept this event loop, in seconds. Time in which the
    /// kernel had set the thread aside does not count.
    pub longest_poll_seconds: f64,
    /// The route of that poll, as method and pattern; empty while there was none.
    pub longest_poll_route: String,
}

impl LoopRecord {
    /// Counts a request that ended here.
    pub(crate) fn count_request(&self) {
        add(&self.requests, 1);
    }

    /// Records a poll that kept the loop for `cost`, and allocates nothing for it.
    pub(crate) fn record_poll(&self, cost: Duration, route: Option<&Arc<Route>>) {
        let nanos = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        add(&self.busy_nanos, nanos);
        if nanos > self.longest_nanos.load(Ordering::Relaxed) {
            self.longest_nanos.store(nanos, Ordering::Relaxed);
            // A reader may hold the lock; the loop does not wait for it and leaves the old route.
            if let Ok(mut longest) = self.longest_route.try_lock() {
                *longest = route.cloned();
            }
        }
    }

    fn report(&self, event_loop: usize) -> LoopReport {
        let seconds =
            |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed)).as_secs_f64();
        LoopReport {
            event_loop,
            requests: self.requests.load(Ordering::Relaxed),
            busy_seconds: seconds(&self.busy_nanos),
            longest_poll_seconds: seconds(&self.longest_nanos),
            longest_poll_route: self.longest_route(),
        }
    }

    fn longest_route(&self) -> String {
        let route = self.longest_route.lock();
        let route = route.unwrap_or_else(PoisonError::into_inner).clone();
        match route {
            Some(route) => format!("{} {}", route.method(), route.pattern()),
            None if self.longest_nanos.load(Ordering::Relaxed) > 0 => "(unknown)".to_owned(),
            None => String::new(),
        }
    }
}

/// Adds without a locked instruction: only the loop's own thread writes.
fn add(counter: &AtomicU64, more: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(more);
    counter.store(sum, Ordering::Relaxed);
}

impl LoopRecords {
    pub(crate) fn new(prompt: bool) -> Self {
        Self {
            prompt,
            records: Mutex::default(),
        }
    }

    /// The record of the calling thread, which becomes an event loop if it was none.
    pub(crate) fn here(&self) -> Arc<LoopRecord> {
        let thread = thread::current().id();
        let known = |records: &[(ThreadId, Arc<LoopRecord>)]| {
            let mut here = records.iter().filter(|(id, _)| *id == thread);
            here.next().map(|(_, record)| Arc::clone(record))
        };
        if let Some(record) = known(&self.lock()) {
            return record;
        }
        // Nobody else adds this thread, so that the lock need not be held across system calls.
        if self.prompt {
            offload_core::wake_promptly();
        }
        let record = Arc::new(LoopRecord::default());
        self.lock().push((thread, Arc::clone(&record)));
        record
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(ThreadId, Arc<LoopRecord>)>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn report(&self) -> Vec<LoopReport> {
        let records = self.lock();
        let numbered = records.iter().enumerate();
        numbered.map(|(n, (_, record))| record.report(n)).collect()
    }
}

impl fmt::Debug for LoopRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report(0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use offload_core::{placement::Rules, routes::RouteTable};

    use super::*;

    #[test]
    fn the_longest_poll_keeps_its_route() {
        let table = RouteTable::new(Rules::default());
        let route = |pattern| table.route(0, "GET", pattern);
        let records = LoopRecords::new(true);
        let record = records.here();
        record.record_poll(Duration::from_millis(2), Some(&route("/a")));
        record.record_poll(Duration::from_millis(5), Some(&route("/b")));
        record.record_poll(Duration::from_millis(3), Some(&route("/c")));
        record.count_request();
        assert!(Arc::ptr_eq(&record, &records.here()));

        let report = records.report();
        assert_eq!(report.len(), 1);
        assert_eq!(report[0].longest_poll_route, "GET /b");
        assert_eq!(report[0].longest_poll_seconds, 0.005);
        assert_eq!(report[0].busy_seconds, 0.010);
        assert_eq!(report[0].requests, 1);
    }
}
