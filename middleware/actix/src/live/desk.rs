//! Who looks on, and whether anybody collects for them. Pure: it is told the time.
//!
//! A place is lent, not given away. A server asks a response's body for nothing while its client takes nothing, so a stream
//! whose client does not read never gets to see that its time is over, and its viewer is never dropped.

use std::time::Duration;

use tokio::time::Instant;

/// The places, and what is to be known of them under one lock.
#[derive(Debug)]
pub(super) struct Desk {
    terms: Terms,
    /// Oldest first, because all of them are for the same time.
    leases: Vec<Lease>,
    /// How many were made.
    made: u64,
    /// Whether there is a task that collects.
    collecting: bool,
    /// Since when nobody looks on, if nobody does.
    empty_since: Instant,
}

/// What holds for all places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How many there are.
    pub(super) places: usize,
    /// For how long one is lent.
    pub(super) lease: Duration,
    /// For so long there are states when nobody looks on any more.
    pub(super) linger: Duration,
}

#[derive(Debug)]
struct Lease {
    ticket: Ticket,
    until: Instant,
}

/// Names a lease; there is never another one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Desk {
    pub(super) fn new(terms: Terms, now: Instant) -> Self {
        Self {
            terms,
            leases: Vec::new(),
            made: 0,
            collecting: false,
            empty_since: now,
        }
    }

    /// Lends a place, if one is free.
    pub(super) fn enter(&mut self, now: Instant) -> Option<Ticket> {
        self.expire(now);
        if self.leases.len() >= self.terms.places {
            return None;
        }
        self.made += 1;
        let ticket = Ticket(self.made);
        let until = now + self.terms.lease;
        self.leases.push(Lease { ticket, until });
        Some(ticket)
    }

    /// Takes a place back; nothing happens if its time was over before.
    pub(super) fn leave(&mut self, ticket: Ticket, now: Instant) {
        self.keep(now, |lease| lease.ticket != ticket);
    }

    /// Whether whoever asks has to collect from here on, because nobody does.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.collecting, true)
    }

    /// Whether nobody has looked on for a while; then nobody collects from here on.
    pub(super) fn end(&mut self, now: Instant) -> bool {
        self.expire(now);
        let deserted = self.leases.is_empty();
        let end = deserted && now.duration_since(self.empty_since) >= self.terms.linger;
        if end {
            self.collecting = false;
        }
        end
    }

    #[cfg(test)]
    pub(super) fn is_collecting(&self) -> bool {
        self.collecting
    }

    fn expire(&mut self, now: Instant) {
        self.keep(now, |lease| lease.until > now);
    }

    /// Nobody looks on from now on, not from when the last lease ran out: who still waits for a state gets one.
    fn keep(&mut self, now: Instant, which: impl Fn(&Lease) -> bool) {
        let before = self.leases.len();
        self.leases.retain(which);
        if self.leases.len() < before && self.leases.is_empty() {
            self.empty_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        places: 2,
        lease: Duration::from_secs(25),
        linger: Duration::from_secs(3),
    };

    /// A desk, and its clock in seconds.
    fn desk() -> (Desk, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        let at = move |seconds| start + Duration::from_secs(seconds);
        (Desk::new(TERMS, start), at)
    }

    #[test]
    fn a_place_is_lent_for_so_long_and_no_longer() {
        let (mut desk, at) = desk();
        assert!(desk.enter(at(0)).is_some());
        assert!(desk.enter(at(10)).is_some());
        assert_eq!(desk.enter(at(24)), None);
        assert!(desk.enter(at(25)).is_some(), "the first has had its time");
        assert_eq!(desk.enter(at(34)), None);
        assert!(desk.enter(at(35)).is_some(), "the second, too");
    }

    #[test]
    fn who_leaves_late_takes_nobody_elses_place() {
        let (mut desk, at) = desk();
        let late = [0, 0].map(|seconds| desk.enter(at(seconds)).expect("there is room"));
        let [kept, left] = [30, 30].map(|seconds| desk.enter(at(seconds)).expect("time is over"));
        for ticket in late {
            desk.leave(ticket, at(31));
        }
        assert_eq!(desk.enter(at(31)), None);
        for _ in 0..2 {
            desk.leave(left, at(32));
        }
        assert!(desk.enter(at(32)).is_some());
        assert_eq!(desk.enter(at(32)), None, "{kept:?} is still there");
    }

    #[test]
    fn nobody_collects_for_those_whose_time_is_over() {
        let (mut desk, at) = desk();
        let ticket = desk.enter(at(0)).expect("there is room");
        assert!(desk.begin());
        assert!(!desk.begin(), "one is enough");
        assert!(!desk.end(at(24)));
        // It is seen at 26, and then there are states for a little longer.
        assert!(!desk.end(at(26)));
        assert!(!desk.end(at(28)));
        assert!(desk.end(at(29)));
        assert!(!desk.is_collecting());
        desk.leave(ticket, at(30));
        assert!(desk.enter(at(30)).is_some());
        assert!(desk.begin(), "it begins again");
        assert!(!desk.end(at(31)));
    }

    #[test]
    fn it_lingers_after_the_last_has_left() {
        let (mut desk, at) = desk();
        let [first, last] = [0, 0].map(|seconds| desk.enter(at(seconds)).expect("there is room"));
        assert!(desk.begin());
        desk.leave(first, at(1));
        assert!(!desk.end(at(10)));
        desk.leave(last, at(10));
        assert!(!desk.end(at(12)));
        assert!(desk.end(at(13)));
    }
}
