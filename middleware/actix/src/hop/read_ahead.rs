//! How many bytes of request bodies may wait in memory for their handlers, in all.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// One request may take a part of so many.
const PARTS: u64 = 8;

/// The room for bodies that are read before their handlers begin.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    room: u64,
    taken: AtomicU64,
}

impl ReadAhead {
    pub(crate) fn new(room: u64) -> Arc<Self> {
        Arc::new(Self {
            room,
            taken: AtomicU64::new(0),
        })
    }

    /// Takes room for a body of so many bytes, if there is any.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        if bytes > self.room / PARTS {
            return None;
        }
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(bytes).filter(|&taken| taken <= self.room)
            })
            .ok()?;
        Some(Share {
            of: Arc::clone(self),
            bytes,
        })
    }
}

/// Room for one body, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<ReadAhead>,
    bytes: u64,
}

impl Share {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back what a body did not need that was cut short.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let over = self.bytes.saturating_sub(bytes);
        self.of.taken.fetch_sub(over, Ordering::Relaxed);
        self.bytes -= over;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let ahead = ReadAhead::new(800);
        assert!(ahead.take(101).is_none(), "too much for one");
        let shares: Vec<Share> = (0..8).map_while(|_| ahead.take(100)).collect();
        assert_eq!(shares.len(), 8);
        assert!(ahead.take(1).is_none());
        drop(shares);
        assert!(ahead.take(100).is_some());
    }

    #[test]
    fn a_share_can_shrink() {
        let ahead = ReadAhead::new(800);
        let mut shares: Vec<Share> = (0..8).map_while(|_| ahead.take(100)).collect();
        shares[0].shrink_to(40);
        shares[0].shrink_to(90);
        assert!(ahead.take(61).is_none());
        assert!(ahead.take(60).is_some());
        drop(shares);
        assert_eq!(ahead.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn where_there_is_no_room_nothing_is_taken() {
        assert!(ReadAhead::new(0).take(1).is_none());
        assert!(ReadAhead::new(u64::MAX).take(u64::MAX).is_none());
    }
}
