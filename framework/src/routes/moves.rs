//! The latest moves of all routes, so that people can watch them happen.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError, TryLockError},
    time::Duration,
};

use crate::placement::Move;

/// So many of the latest moves are kept.
pub(super) const KEPT: usize = 64;

/// A move of the route of that identifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) number: u64,
    pub(super) route: u32,
    pub(super) moved: Move,
    /// So long after the table was made.
    pub(super) at: Duration,
}

/// The latest moves, oldest first.
#[derive(Debug)]
pub(super) struct LatestMoves(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    latest: VecDeque<Moved>,
    next: u64,
}

impl LatestMoves {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner {
            latest: VecDeque::with_capacity(KEPT),
            next: 0,
        }))
    }

    /// Takes a move in, or leaves it out if somebody else is at them: it may be an event loop that asks.
    pub(super) fn push(&self, route: u32, moved: Move, at: Duration) {
        let mut inner = match self.0.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if inner.latest.len() == KEPT {
            inner.latest.pop_front();
        }
        let number = inner.next;
        inner.next += 1;
        inner.latest.push_back(Moved {
            number,
            route,
            moved,
            at,
        });
    }

    /// Leaves out the moves of a route whose identifier will be another's.
    pub(super) fn forget(&self, route: u32) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.latest.retain(|moved| moved.route != route);
    }

    pub(super) fn copy(&self) -> Vec<Moved> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.latest.iter().copied().collect()
    }
}
