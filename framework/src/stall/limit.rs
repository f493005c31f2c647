//! How many reports a minute are made, so that a server in trouble is not drowned by its own log.

use std::time::Duration;

use crate::clock::Moment;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts reports by minutes that begin with the first report after the last minute.
#[derive(Debug)]
pub(super) struct Limit {
    per_minute: u32,
    began: Option<Moment>,
    made: u32,
    suppressed: u64,
}

impl Limit {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            began: None,
            made: 0,
            suppressed: 0,
        }
    }

    /// Whether one more report may be made now: then how many were suppressed before it.
    pub(super) fn ask(&mut self, now: Moment) -> Option<u64> {
        if self.began.is_none_or(|began| now.since(began) >= MINUTE) {
            self.began = Some(now);
            self.made = 0;
        }
        if self.made < self.per_minute {
            self.made += 1;
            Some(std::mem::take(&mut self.suppressed))
        } else {
            self.suppressed += 1;
            None
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_and_the_next_says_how_many_were_left_out() {
        let mut limit = Limit::new(2);
        let at = |seconds: u64| Moment::from_nanos(1 + seconds * 1_000_000_000);
        let asked: Vec<_> = [0, 1, 2, 59, 60, 61, 62, 200]
            .map(|second| limit.ask(at(second)))
            .into();
        let expected = [
            Some(0),
            Some(0),
            None,
            None,
            Some(2),
            Some(0),
            None,
            Some(1),
        ];
        assert_eq!(asked, expected);
    }

    #[test]
    fn none_at_all_may_be_wanted() {
        assert_eq!(Limit::new(0).ask(Moment::from_nanos(1)), None);
    }
}
