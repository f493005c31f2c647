//! Counts by their threads those whose end is waited for: who serves for one server (the copies of its app factory that its event loops
//! have called, and their services), and the instances of one app.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::Instant,
};

/// Those who are there, counted by their thread.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    on: Mutex<HashMap<ThreadId, usize>>,
    left: Condvar,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    crew: Arc<Crew>,
    thread: ThreadId,
}

impl Crew {
    /// There is one more on the calling thread.
    pub(crate) fn join(self: &Arc<Self>) -> Member {
        let thread = thread::current().id();
        *self.on().entry(thread).or_default() += 1;
        Member {
            crew: Arc::clone(self),
            thread,
        }
    }

    /// Whether some are on other threads (L4).
    pub(crate) fn is_elsewhere(&self) -> bool {
        elsewhere(&self.on()) > 0
    }

    /// Blocks until that is no longer so, or so long. Returns how many are still there.
    pub(crate) fn wait(&self, until: Instant) -> usize {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self
            .left
            .wait_timeout_while(self.on(), left, |on| elsewhere(on) > 0);
        let (on, _) = waited.unwrap_or_else(PoisonError::into_inner);
        elsewhere(&on)
    }

    fn on(&self) -> MutexGuard<'_, HashMap<ThreadId, usize>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn elsewhere(on: &HashMap<ThreadId, usize>) -> usize {
    let here = thread::current().id();
    let others = on.iter().filter(|(thread, _)| **thread != here);
    others.map(|(_, members)| members).sum()
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut on = self.crew.on();
        if let Some(members) = on.get_mut(&self.thread) {
            *members -= 1;
            if *members == 0 {
                on.remove(&self.thread);
                self.crew.left.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn those_on_other_threads_are_waited_for_and_those_here_are_not() {
        let crew = Arc::<Crew>::default();
        let soon = || Instant::now() + Duration::from_millis(1);
        let later = || Instant::now() + Duration::from_secs(600);
        assert_eq!(crew.wait(later()), 0, "nobody serves");
        let here = crew.join();
        assert!(crew.wait(later()) == 0 && !crew.is_elsewhere());

        let (serves, served) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let theirs = Arc::clone(&crew);
        let other = thread::spawn(move || {
            let _members = (theirs.join(), theirs.join());
            serves.send(()).expect("somebody waits");
            let _ended = ends.recv();
        });
        served.recv().expect("no panic");
        assert!(crew.wait(soon()) == 2 && crew.is_elsewhere());
        drop(end);
        assert_eq!(crew.wait(later()), 0);
        other.join().expect("no panic");
        drop(here);
        assert!(crew.on().is_empty());
    }
}
