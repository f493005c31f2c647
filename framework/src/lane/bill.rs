//! What a flow pays for its job, where the job goes on after the lane thread has left it and only it knows its cost.

use std::{cell::RefCell, fmt, sync::Arc, time::Duration};

use super::{account::Entry, shared::Shared};
use crate::{nanos::nanos, queue::Receipt};

/// A flow pays at most so many nanoseconds more for a job than was predicted: half of the shortest patience by default,
/// as much as a job may wait that is admitted.
const MOST_DEBT: u64 = 250_000_000;

thread_local! {
    static CURRENT: RefCell<Option<Bill>> = const { RefCell::new(None) };
}

/// The open bill of one job, whose flow has been charged what was predicted.
///
/// A job that is over when its closure returns need not care: its flow is charged what the closure took. One that only
/// starts something which goes on takes its bill over and settles it itself. Whoever drops a bill leaves it at the
/// prediction.
///
/// # Examples
///
/// ```
/// use offload_core::{Bill, Lanes, Terms};
/// use std::time::Duration;
///
/// let lanes = Lanes::builder().threads(1).build()?;
/// let run = lanes.run(|| {
///     let bill = Bill::take_over().expect("a job has one");
///     assert!(Bill::take_over().is_none(), "and only one");
///     bill.settle(Duration::from_millis(3));
/// });
/// pollster::block_on(run)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a bill that is dropped stays at the prediction"]
pub struct Bill {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    receipt: Receipt,
}

impl Bill {
    /// Takes over the bill of the job that the calling lane thread is beginning. `None` if there is no such job, or if it
    /// was taken over already.
    pub fn take_over() -> Option<Self> {
        CURRENT
            .try_with(|current| current.borrow_mut().take())
            .ok()
            .flatten()
    }

    /// Charges the flow what the job has cost in all, in place of what was predicted.
    ///
    /// Takes a lock of the lane for a moment, so it is for lane threads.
    pub fn settle(self, cost: Duration) {
        let account = self.entry.account();
        account.has_cost(cost);
        let nanos = nanos(cost);
        // What was lent a slot held up nobody, and a debt must not make what was admitted meanwhile wait for too long.
        let nanos = nanos.min(account.cost().saturating_add(MOST_DEBT));
        self.shared.gate.shelf().charge(self.receipt, nanos);
    }

    pub(super) fn new(shared: &Arc<Shared>, entry: &Arc<Entry>, receipt: Receipt) -> Self {
        Self {
            shared: Arc::clone(shared),
            entry: Arc::clone(entry),
            receipt,
        }
    }

    /// The job never ran, so its flow pays nothing.
    pub(super) fn cancel(self) {
        self.shared.gate.shelf().charge(self.receipt, 0);
    }

    /// Calls `work`, which runs inside of a job without being it, so that it cannot take over that job's bill.
    pub(super) fn hide<T>(work: impl FnOnce() -> T) -> T {
        let hidden = CURRENT.take();
        let value = work();
        CURRENT.set(hidden);
        value
    }

    /// Offers the bill to `work`, and returns it if nobody took it over.
    pub(super) fn offer<T>(self, work: impl FnOnce() -> T) -> (T, Option<Self>) {
        // A job may be begun inside another one's poll, on a thread that helps.
        let before = CURRENT.replace(Some(self));
        let value = work();
        (value, CURRENT.replace(before))
    }
}

impl fmt::Debug for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bill")
            .field("receipt", &self.receipt)
            .finish_non_exhaustive()
    }
}
