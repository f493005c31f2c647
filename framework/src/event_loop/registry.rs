//! All event loops of a process, found by their thread.
//!
//! A loop that has ended leaves the books. The next loop takes its number, and what it had counted is kept by that number, so
//! that sums over all loops never shrink and there are never more numbers than loops at a time.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    record::{EventLoop, Role},
    snapshot::Snapshot,
};
use crate::os;

/// The event loops that live, and the lane threads that run requests. Clones share everything.
#[derive(Clone, Default)]
pub struct EventLoops {
    met: Arc<Mutex<Met>>,
}

#[derive(Default)]
struct Met {
    /// By number.
    places: Vec<Place>,
    lane_threads: Vec<Arc<EventLoop>>,
    /// How many threads were ever met.
    count: u64,
}

/// What belongs to one number.
#[derive(Default)]
struct Place {
    here: Option<Here>,
    /// What the loops that had the number before have counted.
    before: Snapshot,
}

struct Here {
    event_loop: Arc<EventLoop>,
    /// How often it was asked for and not left since.
    users: usize,
}

impl EventLoops {
    /// The record of the calling thread, which becomes an event loop if it is none yet. Takes a lock: call it once per loop, not for
    /// each request.
    ///
    /// Each call needs a [`leave`](Self::leave). The loop ends with the last of these, or with its thread.
    #[must_use]
    pub fn here(&self) -> Arc<EventLoop> {
        self.met().event_loop_here()
    }

    /// Takes back one call of [`here`](Self::here). With the last of them the loop has ended: it is no longer among
    /// [`all`](Self::all), its [`Pulse`](super::Pulse) ends, and no watch looks at it. If the thread becomes an event loop again, that is
    /// another one.
    pub fn leave(&self, event_loop: &Arc<EventLoop>) {
        let ended = self.met().leave(event_loop);
        if ended {
            // Outside of the lock: it wakes the loop's pulse.
            event_loop.be_over();
        }
    }

    /// The record of the calling thread, which is a lane's. It lives until the thread ends.
    #[must_use]
    pub fn lane_thread_here(&self) -> Arc<EventLoop> {
        self.met().lane_thread_here()
    }

    /// All event loops that have not ended, by number.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<EventLoop>> {
        let mut met = self.met();
        met.sweep();
        let here = met.places.iter().filter_map(|place| place.here.as_ref());
        here.map(|here| Arc::clone(&here.event_loop)).collect()
    }

    /// By number, what its loops have counted one after the other, and what the one that lives is at.
    #[cfg(feature = "metrics")]
    pub(crate) fn counted(&self) -> Vec<Snapshot> {
        let mut met = self.met();
        met.sweep();
        let counted = met.places.iter().map(|place| {
            let mut all = place.before.clone();
            if let Some(here) = &place.here {
                all.add(here.event_loop.snapshot());
            }
            all
        });
        counted.collect()
    }

    /// Those that live and were met after the first so many, oldest first, and how many were ever met.
    pub(crate) fn met_since(&self, count: u64) -> (Vec<Arc<EventLoop>>, u64) {
        let met = self.met();
        let loops = met.places.iter().filter_map(|place| place.here.as_ref());
        let loops = loops.map(|here| &here.event_loop);
        let mut new: Vec<_> = loops
            .chain(&met.lane_threads)
            .filter(|known| known.serial() >= count)
            .map(Arc::clone)
            .collect();
        new.sort_by_key(|known| known.serial());
        (new, met.count)
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Met {
    fn event_loop_here(&mut self) -> Arc<EventLoop> {
        self.sweep();
        let mut known = self
            .places
            .iter_mut()
            .filter_map(|place| place.here.as_mut());
        if let Some(here) = known.find(|here| here.event_loop.thread().is_current()) {
            here.users += 1;
            return Arc::clone(&here.event_loop);
        }
        let free = self.places.iter().position(|place| place.here.is_none());
        let number = free.unwrap_or(self.places.len());
        if free.is_none() {
            self.places.push(Place::default());
        }
        let event_loop = self.make(number, Role::EventLoop);
        self.places[number].here = Some(Here {
            event_loop: Arc::clone(&event_loop),
            users: 1,
        });
        event_loop
    }

    fn lane_thread_here(&mut self) -> Arc<EventLoop> {
        self.sweep();
        let mut known = self.lane_threads.iter();
        if let Some(known) = known.find(|known| known.thread().is_current()) {
            return Arc::clone(known);
        }
        let new = self.make(self.lane_threads.len(), Role::LaneThread);
        self.lane_threads.push(Arc::clone(&new));
        new
    }

    fn make(&mut self, number: usize, role: Role) -> Arc<EventLoop> {
        let serial = self.count;
        self.count += 1;
        Arc::new(EventLoop::here(number, serial, role))
    }

    /// Whether the loop has ended.
    fn leave(&mut self, event_loop: &Arc<EventLoop>) -> bool {
        let Some(place) = self.places.get_mut(event_loop.number()) else {
            return false;
        };
        match &mut place.here {
            Some(here) if Arc::ptr_eq(&here.event_loop, event_loop) => {
                here.users = here.users.saturating_sub(1);
                if here.users == 0 {
                    place.end();
                    return true;
                }
                false
            }
            // It was swept away, or it is another's.
            _ => false,
        }
    }

    /// Lets go of all whose threads have ended without a word.
    fn sweep(&mut self) {
        for place in &mut self.places {
            let ended = |here: &Here| os::has_ended(here.event_loop.thread());
            if place.here.as_ref().is_some_and(ended) {
                place.end();
            }
        }
        self.lane_threads
            .retain(|known| !os::has_ended(known.thread()));
    }
}

impl Place {
    fn end(&mut self) {
        if let Some(here) = self.here.take() {
            self.before.add(Snapshot {
                // Nobody is there to be late.
                lag: Duration::ZERO,
                stalled: None,
                ..here.event_loop.snapshot()
            });
        }
    }
}

impl fmt::Debug for EventLoops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;
    use crate::event_loop::Label;

    #[test]
    fn a_thread_is_met_once_and_the_longest_poll_keeps_its_label() {
        let loops = EventLoops::default();
        let here = loops.here();
        assert!(Arc::ptr_eq(&here, &loops.here()));
        let other = thread::scope(|scope| scope.spawn(|| loops.here().number()).join());
        assert_eq!(other.expect("no panic"), 1);

        for (millis, label) in [(2, 1), (5, 2), (3, 3)] {
            here.count_poll(Duration::from_millis(millis), Label::from_word(label));
        }
        here.count_request();
        let seen = here.snapshot();
        assert_eq!(seen.longest_poll, Duration::from_millis(5));
        assert_eq!(seen.longest_poll_label, Label::from_word(2));
        assert_eq!(seen.busy, Duration::from_millis(10));
        assert_eq!((seen.requests, seen.polls.iter().sum::<u64>()), (1, 3));
    }

    #[test]
    fn what_was_met_since_a_look_is_told() {
        let loops = EventLoops::default();
        let here = loops.here();
        let _lane = loops.lane_thread_here();
        let since = |count| {
            let (new, met) = loops.met_since(count);
            (new.len(), met)
        };
        assert_eq!(since(0), (2, 2));
        assert_eq!(since(1), (1, 2));
        assert_eq!(since(2), (0, 2));
        assert_eq!(loops.all().len(), 1);
        loops.leave(&here);
        let again = loops.here();
        let (new, met) = loops.met_since(2);
        assert_eq!(met, 3);
        assert!(new.len() == 1 && Arc::ptr_eq(&new[0], &again));
    }

    #[test]
    fn a_loop_that_all_have_left_is_gone_and_the_next_has_its_number() {
        let loops = EventLoops::default();
        let first = loops.here();
        let again = loops.here();
        loops.leave(&again);
        assert_eq!(loops.all().len(), 1, "somebody is still there");
        loops.leave(&first);
        loops.leave(&first);
        assert!(loops.all().is_empty() && first.has_ended());

        let next = loops.here();
        assert!(!Arc::ptr_eq(&first, &next));
        assert_eq!((next.number(), next.snapshot().requests), (0, 0));
        loops.leave(&first);
        assert!(!next.has_ended(), "the number is another's now");
    }

    #[test]
    fn threads_that_end_without_a_word_are_gone() {
        let loops = EventLoops::default();
        for _ in 0..100 {
            let one = thread::scope(|scope| {
                let met = || (loops.here(), loops.lane_thread_here());
                scope.spawn(met).join().expect("no panic")
            });
            assert_eq!(one.0.number(), 0);
        }
        assert!(loops.all().is_empty());
        assert!(loops.met_since(0).0.is_empty());
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn what_a_number_counted_never_shrinks() {
        let loops = EventLoops::default();
        let mut last = 0;
        for round in 1..=5 {
            let here = loops.here();
            here.count_request();
            here.count_poll(Duration::from_millis(1), Label::NONE);
            for leaves in [false, true] {
                if leaves {
                    loops.leave(&here);
                }
                let counted = loops.counted();
                assert_eq!(counted.len(), 1);
                let totals = &counted[0];
                assert_eq!((totals.requests, totals.polls.iter().sum()), (round, round));
                assert!(totals.requests >= last);
                last = totals.requests;
            }
        }
    }
}
