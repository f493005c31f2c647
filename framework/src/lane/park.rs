//! How a lane thread sleeps and is woken: by the standard library, or by an adapter that drives timers and sockets meanwhile.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::OnceLock,
    thread::{self, Thread},
};

/// How one lane thread waits for work. An adapter gives each thread one to drive the timers and sockets of what runs there.
///
/// It works like [`std::thread::park`]: an [`Unpark`] that comes before [`park`](Self::park) makes that return at once,
/// several count as one, and `park` may return for no reason.
pub trait Park {
    /// Sleeps until it is unparked. Serves timers, sockets and whatever else it drives meanwhile.
    fn park(&mut self);

    /// Serves what is due, and returns without waiting. Called between pieces of work, now and then.
    fn breathe(&mut self);

    /// Whether it drives more than the thread's own waiting, such as tasks that may compute, so that the thread may not
    /// come when it is unparked. Other threads are called first, then.
    fn drives_tasks(&self) -> bool {
        false
    }

    /// Wakes the thread from [`park`](Self::park), from any thread. Asked for once, before the first park.
    fn unparker(&self) -> Unpark;
}

/// Wakes a lane thread that is parked; see [`Park`].
pub type Unpark = Box<dyn Fn() + Send + Sync>;

/// Builds how the lane thread with the given index parks, on that thread.
pub(crate) type ParkBuilder = Box<dyn Fn(usize) -> Box<dyn Park> + Send + Sync>;

/// A future that never leaves its thread.
pub(crate) type Resident = Pin<Box<dyn Future<Output = ()>>>;

/// Builds the resident of the lane thread with the given index, on that thread.
pub(crate) type ResidentBuilder = Box<dyn Fn(usize) -> Resident + Send + Sync>;

/// Lets anybody wake one lane thread.
#[derive(Default)]
pub(crate) struct Unparker {
    thread: OnceLock<Thread>,
    adapter: OnceLock<Unpark>,
}

impl Unparker {
    /// Called by the thread itself before it parks for the first time.
    pub(crate) fn set(&self, park: Option<&dyn Park>) {
        // Each thread has an unparker of its own, so nobody else sets it.
        let _ = self.thread.set(thread::current());
        if let Some(park) = park {
            let _ = self.adapter.set(park.unparker());
        }
    }

    /// Nothing happens before the thread has started: it looks for work before it parks.
    pub(crate) fn unpark(&self) {
        match self.adapter.get() {
            Some(unpark) => unpark(),
            None => {
                if let Some(thread) = self.thread.get() {
                    thread.unpark();
                }
            }
        }
    }
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparker")
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}
