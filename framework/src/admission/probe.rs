//! Lets a few jobs of which nothing is known wait for long, or come before all others, so that what is light proves it soon.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use super::Flow;

/// So many probes of one flow wait or run at a time: light routes prove it within three runs.
const MOST_OF_ONE: usize = 3;

/// So many of all flows come before everybody, and nobody is to be refused for that.
const MOST_OF_ALL: usize = 8;

/// The probes of all flows that wait or run.
///
/// What is unknown may be anything. If all of it came first, a flood of it would have the lanes until its first job has
/// ended, and whoever makes up new kinds of jobs could go on like that for ever.
#[derive(Debug)]
pub(crate) struct Probes {
    under_way: AtomicUsize,
}

/// One job that is to show what its kind is like. Its place is free when it waits for something, has ended, or is gone.
#[derive(Debug)]
pub(crate) struct Probe {
    probes: Arc<Probes>,
    flow: Arc<Flow>,
    is_first: bool,
    over: AtomicBool,
}

impl Probes {
    pub(crate) fn new() -> Self {
        Self {
            under_way: AtomicUsize::new(0),
        }
    }

    /// Takes a place among the probes of `flow`, if there is one.
    pub(crate) fn start(self: &Arc<Self>, flow: &Arc<Flow>) -> Option<Probe> {
        if !take(&flow.probing, MOST_OF_ONE) {
            return None;
        }
        let is_first = take(&self.under_way, MOST_OF_ALL);
        Some(Probe {
            probes: Arc::clone(self),
            flow: Arc::clone(flow),
            is_first,
            over: AtomicBool::new(false),
        })
    }

    /// Whether there would be a place now, and whether before all others.
    pub(crate) fn would_start(&self, flow: &Flow) -> Option<bool> {
        let is_first = self.under_way.load(Relaxed) < MOST_OF_ALL;
        (flow.probing.load(Relaxed) < MOST_OF_ONE).then_some(is_first)
    }
}

impl Probe {
    /// Whether it comes before all others, because there are not too many of all flows.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    /// It is none any more.
    pub(crate) fn end(&self) {
        if !self.over.swap(true, Relaxed) {
            self.flow.probing.fetch_sub(1, Relaxed);
            if self.is_first {
                self.probes.under_way.fetch_sub(1, Relaxed);
            }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.end();
    }
}

fn take(places: &AtomicUsize, most: usize) -> bool {
    let one_more = |taken| (taken < most).then_some(taken + 1);
    places.fetch_update(Relaxed, Relaxed, one_more).is_ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_are_places_for_each_flow_and_for_all() {
        let probes = Arc::new(Probes::new());
        let flows: Vec<_> = (0..4).map(|_| Flow::unnamed()).collect();
        let start = |flow| probes.start(flow);
        let of_one: Vec<_> = (0..10).filter_map(|_| start(&flows[0])).collect();
        assert_eq!(of_one.len(), MOST_OF_ONE);
        assert_eq!(probes.would_start(&flows[0]), None);
        assert_eq!(probes.would_start(&flows[1]), Some(true));
        let rest = flows[1..].iter().flat_map(|flow| [flow; 10]);
        let rest: Vec<_> = rest.filter_map(start).collect();
        assert_eq!(rest.len(), 3 * MOST_OF_ONE);
        let first = rest.iter().filter(|probe| probe.is_first());
        assert_eq!(first.count(), MOST_OF_ALL - MOST_OF_ONE);
        // One that has ended is still there, and counts no more.
        of_one[0].end();
        of_one[0].end();
        assert_eq!(probes.would_start(&flows[0]), Some(true));
        drop((of_one, rest));
        assert_eq!(probes.under_way.load(Relaxed), 0);
        assert!(flows.iter().all(|flow| flow.probing.load(Relaxed) == 0));
    }
}
