//! The light route: a page that is written once per instance of the app.

use std::{
    process,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, ThreadId},
};

use bytes::Bytes;

/// How the plugin calls its lane threads: this and a number.
const LANE_THREAD: &str = "offload-";

/// The event loops that were met so far, which gives each its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventLoops(Arc<Mutex<Vec<ThreadId>>>);

impl EventLoops {
    /// The number of the calling thread, which is an event loop: 0, 1, 2 and so on as they start.
    fn number_of_this_thread(&self) -> usize {
        let thread = thread::current().id();
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().position(|&id| id == thread).unwrap_or_else(|| {
            met.push(thread);
            met.len() - 1
        })
    }

    /// How many there are, once the server has started.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The page of one instance of the app.
#[derive(Debug)]
pub(crate) struct Page(Bytes);

impl Page {
    /// The page of the instance that is being built on the calling thread, and will run on it.
    pub(crate) fn of_this_thread(event_loops: &EventLoops) -> Self {
        let thread = thread::current();
        let lane = thread
            .name()
            .and_then(|name| name.strip_prefix(LANE_THREAD));
        let place = match lane {
            Some(number) => format!("lane {number}"),
            None => format!("worker {}", event_loops.number_of_this_thread()),
        };
        let process = process::id();
        Self(format!("Performance Example\nprocess {process}\n{place}\n").into())
    }

    /// What it says.
    pub(crate) fn text(&self) -> Bytes {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of_place(page: &Page) -> String {
        let text = String::from_utf8(page.0.to_vec()).expect("text");
        text.lines().last().expect("three lines").to_owned()
    }

    #[test]
    fn each_event_loop_has_a_number_that_stays() {
        let event_loops = EventLoops::default();
        let here = || line_of_place(&Page::of_this_thread(&event_loops));
        assert_eq!(here(), "worker 0");
        let there = thread::scope(|scope| scope.spawn(here).join().expect("no panic"));
        assert_eq!(there, "worker 1");
        assert_eq!(here(), "worker 0");
        assert_eq!(event_loops.count(), 2);
    }

    #[test]
    fn a_lane_thread_says_that_it_is_one() {
        let event_loops = EventLoops::default();
        let page = thread::Builder::new()
            .name("offload-short-3".to_owned())
            .spawn({
                let event_loops = event_loops.clone();
                move || Page::of_this_thread(&event_loops)
            })
            .expect("a thread")
            .join()
            .expect("no panic");
        assert_eq!(line_of_place(&page), "lane short-3");
        assert_eq!(event_loops.number_of_this_thread(), 0);
    }
}
