//! Numbers the apps: each has the first number that is free, so that an app which is started again has the one that it had.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The numbers that are taken and free.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Those below `next` that are free.
    free: BTreeSet<u32>,
    next: u32,
}

/// The number of an app that has not ended.
#[derive(Debug)]
pub struct Number {
    number: u32,
    numbers: Arc<Numbers>,
}
impl Numbers {
    pub(crate) fn take(self: &Arc<Self>) -> Number {
        let mut inner = self.inner();
        let number = inner.free.pop_first().unwrap_or_else(|| {
            let next = inner.next;
            // Nothing has room for so many apps at a time.
            inner.next = next.saturating_add(1);
            next
        });
        Number {
            number,
            numbers: Arc::clone(self),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Number {
    /// It.
    #[must_use]
    pub fn get(&self) -> u32 {
        self.number
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.numbers.inner().free.insert(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_16_bits_of_apps_are_told_apart_and_their_numbers_are_used_again() {
        const MANY: u32 = 70_000;
        let numbers = Arc::<Numbers>::default();
        let mut apps: Vec<_> = (0..MANY).map(|_| numbers.take()).collect();
        assert!(apps.iter().map(Number::get).eq(0..MANY));
        drop(apps.split_off(1));
        for _ in 0..MANY {
            assert_eq!(numbers.take().get(), 1, "the first that is free");
        }
        let again: Vec<_> = (1..MANY).map(|_| numbers.take()).collect();
        assert!(again.iter().map(Number::get).eq(1..MANY));
        assert_eq!(numbers.take().get(), MANY);
    }
}
