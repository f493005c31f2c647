//! All event loops of a process, found by their thread.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

use super::record::{EventLoop, Role};

/// The event loops that were met, and the lane threads that run requests. Clones share everything.
#[derive(Clone, Default)]
pub struct EventLoops {
    met: Arc<Mutex<Met>>,
}

#[derive(Default)]
struct Met {
    loops: Vec<(ThreadId, Arc<EventLoop>)>,
    lane_threads: Vec<(ThreadId, Arc<EventLoop>)>,
}

impl EventLoops {
    /// The record of the calling thread, which becomes an event loop if it was none. Takes a lock: once per loop, not for
    /// each request.
    #[must_use]
    pub fn here(&self) -> Arc<EventLoop> {
        self.met().here(Role::EventLoop)
    }

    /// The record of the calling thread, which is one of a lane's.
    #[must_use]
    pub fn lane_thread_here(&self) -> Arc<EventLoop> {
        self.met().here(Role::LaneThread)
    }

    /// All event loops, in the order in which they were met.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<EventLoop>> {
        let met = self.met();
        met.loops.iter().map(|(_, met)| Arc::clone(met)).collect()
    }

    /// Copies what was met since a look that saw so many of each.
    pub(crate) fn met_since(&self, loops: usize, lane_threads: usize) -> Vec<Arc<EventLoop>> {
        let met = self.met();
        let new = met.loops.iter().skip(loops);
        let new = new.chain(met.lane_threads.iter().skip(lane_threads));
        new.map(|(_, met)| Arc::clone(met)).collect()
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Met {
    fn here(&mut self, role: Role) -> Arc<EventLoop> {
        let list = match role {
            Role::EventLoop => &mut self.loops,
            Role::LaneThread => &mut self.lane_threads,
        };
        let id = thread::current().id();
        if let Some((_, known)) = list.iter().find(|(thread, _)| *thread == id) {
            return Arc::clone(known);
        }
        let new = Arc::new(EventLoop::here(list.len(), role));
        list.push((id, Arc::clone(&new)));
        new
    }
}

impl fmt::Debug for EventLoops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

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
        let _here = loops.here();
        let _lane = loops.lane_thread_here();
        assert_eq!(loops.met_since(0, 0).len(), 2);
        assert_eq!(loops.met_since(1, 0).len(), 1);
        assert_eq!(loops.met_since(1, 1).len(), 0);
        assert_eq!(loops.all().len(), 1);
    }
}
