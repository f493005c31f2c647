//! One place that says which atomics the lane protocol uses, so that loom can put its own in.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use crossbeam_queue::{ArrayQueue as Bounded, SegQueue as Unbounded};
#[cfg(loom)]
pub(crate) use model::{Bounded, Unbounded};

/// Queues for loom: they hold what they are given, and tell a reader without the lock as little as they may.
#[cfg(loom)]
mod model {
    use std::collections::VecDeque;

    use loom::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    pub(crate) struct Bounded<T> {
        items: Mutex<VecDeque<T>>,
        // Read relaxed and outside the lock, so that only the protocol's own fences make it fresh.
        length: AtomicUsize,
        capacity: usize,
    }

    impl<T> Bounded<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            Self {
                items: Mutex::new(VecDeque::new()),
                length: AtomicUsize::new(0),
                capacity,
            }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = self.items.lock().unwrap();
            if items.len() == self.capacity {
                return Err(item);
            }
            items.push_back(item);
            self.length.store(items.len(), Ordering::Relaxed);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            // The real queues return without any other synchronisation when they look empty.
            if self.is_empty() {
                return None;
            }
            let mut items = self.items.lock().unwrap();
            let item = items.pop_front();
            self.length.store(items.len(), Ordering::Relaxed);
            item
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.length.load(Ordering::Relaxed) == 0
        }
    }

    pub(crate) struct Unbounded<T>(Bounded<T>);

    impl<T> Unbounded<T> {
        pub(crate) fn new() -> Self {
            Self(Bounded::new(usize::MAX))
        }

        pub(crate) fn push(&self, item: T) {
            if self.0.push(item).is_err() {
                unreachable!("a queue without a bound is never full");
            }
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0.pop()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }
}
