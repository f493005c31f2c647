//! Hands histograms over by what is new in each class since the last time.

use std::collections::HashMap;

use metrics::Histogram;

use crate::{
    event_loop::{BOUNDS, CLASSES},
    routes::Name,
};

/// Whose times they are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Of {
    RunsOfRoute(Name),
    QueueOfRoute(Name),
    PollsOfLoop(usize),
}

/// What was handed over so far.
#[derive(Default)]
pub(super) struct Published(HashMap<Of, [u64; CLASSES]>);

impl Published {
    /// Hands over what `counts` has more than the last time.
    pub(super) fn hand_over(&mut self, of: Of, counts: [u64; CLASSES], to: &Histogram) {
        let before = self.0.entry(of).or_insert([0; CLASSES]);
        for (class, (now, before)) in counts.iter().zip(before.iter()).enumerate() {
            let new = usize::try_from(now.saturating_sub(*before)).unwrap_or(usize::MAX);
            if new > 0 {
                to.record_many(middle(class), new);
            }
        }
        *before = counts;
    }
}

/// A time in the middle of a class, in seconds.
fn middle(class: usize) -> f64 {
    match class {
        0 => BOUNDS[0] / 2.0,
        class if class < BOUNDS.len() => BOUNDS[class - 1].midpoint(BOUNDS[class]),
        _ => BOUNDS[BOUNDS.len() - 1] * 1.5,
    }
}
