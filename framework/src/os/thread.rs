//! Sets the priority of lane threads: its own by each thread, and that of a thread that is at work by another one.
//!
//! Invariants:
//!
//! - I1. A thread's id is used from other threads only under the lock in its [`ThreadRef`], and the thread takes it out
//!   under that lock before it ends. So an id that the kernel gave to somebody else since is never used.
//! - I2. The lock is held for three system calls at most, and never while code of a user runs.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};

use super::{
    Priority,
    system::{self, Id, Setting},
};

/// Gives the calling thread a priority.
///
/// Where it is refused that is logged once, and the thread goes on as it was.
pub(crate) fn apply(priority: Priority) {
    static ONCE: Once = Once::new();
    if let Err(refused) = system::apply(priority) {
        let consequence = "they compete with the event loops as equals";
        say_once(
            &ONCE,
            &refused,
            "the priority of a lane's threads",
            consequence,
        );
    }
}

/// Asks the system to give the calling thread a core soon when it wakes up: for event loops, which run for moments and then
/// sleep, beside threads that keep the cores busy.
///
/// Linux 6.12 and later: the thread's slice becomes 0.1 ms. Its policy, its niceness and so its share of the cores stay, and
/// threads that it starts have the usual slice. Nothing happens where somebody gave the thread another policy than
/// `SCHED_OTHER`, nor on other platforms. No privilege is needed; where it is refused that is logged once as a warning with
/// the target `offload`. It lasts as long as the thread, and asking twice changes nothing.
///
/// The source of it: Peter Zijlstra's "sched/eevdf: Use sched_attr::sched_runtime to set request/slice suggestion".
///
/// # Examples
///
/// ```
/// std::thread::spawn(|| {
///     offload_core::wake_promptly();
///     // ... run the event loop
/// })
/// .join()
/// .expect("nothing panics");
/// ```
pub fn wake_promptly() {
    static ONCE: Once = Once::new();
    if let Err(refused) = system::wake_promptly() {
        let consequence = "it waits longer for a core when lanes are busy";
        say_once(
            &ONCE,
            &refused,
            "a short slice for an event loop",
            consequence,
        );
    }
}

/// Logs what the system refused, if this is the first time of `once`, and what follows for whoever runs this.
fn say_once(once: &Once, error: &io::Error, setting: &str, consequence: &str) {
    once.call_once(|| {
        tracing::warn!(target: "offload", %error, "{setting} was refused: {consequence}");
    });
}

/// Identifies a thread for as long as it lives, and does no harm afterwards.
#[derive(Debug)]
pub(crate) struct ThreadRef(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// `None` as soon as the thread begins to end.
    id: Option<Id>,
    /// What it had before it was set back.
    before: Option<Setting>,
}

impl ThreadRef {
    /// The calling thread.
    pub(crate) fn current() -> Self {
        // While a thread is being torn down it is a thread that has ended already.
        let state = OWN.try_with(|own| Arc::clone(&own.0)).unwrap_or_else(|_| {
            Arc::new(Mutex::new(State {
                id: None,
                before: None,
            }))
        });
        Self(state)
    }

    /// Whether it is the calling one.
    pub(crate) fn is_current(&self) -> bool {
        OWN.try_with(|own| Arc::ptr_eq(&own.0, &self.0))
            .unwrap_or(false)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives another thread the longest turns, so that all others that wake come first, as long as its work is overdue. Its share of
/// the cores stays, and no privilege is needed for the way back.
///
/// # Errors
///
/// If the thread has ended or the system does not allow it.
pub(crate) fn set_back(thread: &ThreadRef) -> io::Result<()> {
    let mut state = thread.lock(); // I1
    let id = state.id.ok_or(io::ErrorKind::NotFound)?;
    let before = system::set_back(id)?;
    state.before.get_or_insert(before);
    Ok(())
}

/// The CPU time that a thread has used since it began, if the system tells.
pub(crate) fn cpu_time(thread: &ThreadRef) -> Option<Duration> {
    let state = thread.lock(); // I1
    system::cpu_time(state.id?)
}

/// How long a thread has waited for a core since it began, if the system tells.
pub(crate) fn run_delay(thread: &ThreadRef) -> Option<Duration> {
    let state = thread.lock(); // I1
    system::run_delay(state.id?)
}

/// The CPU time that this process has used, if the system tells.
pub(crate) fn own_time() -> Option<Duration> {
    system::own_time()
}

/// Whether a thread has ended, or is about to.
pub(crate) fn has_ended(thread: &ThreadRef) -> bool {
    thread.lock().id.is_none()
}

/// Whether a thread waits at this moment, for a lock, a file, a timer, if the system tells. One that merely waits for a core does
/// not.
pub(crate) fn is_waiting(thread: &ThreadRef) -> Option<bool> {
    let state = thread.lock(); // I1
    system::is_waiting(state.id?)
}

/// Gives a thread that was set back its own turns again.
///
/// Nothing happens to a thread that was not. Where it is refused that is logged once.
pub(crate) fn restore(thread: &ThreadRef) {
    static ONCE: Once = Once::new();
    let mut state = thread.lock(); // I1
    let (Some(id), Some(before)) = (state.id, state.before.take()) else {
        return;
    };
    if let Err(refused) = system::restore(id, before) {
        let setting = "the former turns of a thread that was set back";
        let consequence = "it serves its lane in longer turns from now on";
        say_once(&ONCE, &refused, setting, consequence);
    }
}

thread_local! {
    static OWN: Own = Own(Arc::new(Mutex::new(State { id: Some(Id::current()), before: None })));
}

/// A thread's own hold on what others know it by.
struct Own(Arc<Mutex<State>>);

impl Drop for Own {
    fn drop(&mut self) {
        // I1: the kernel can't give the id to another thread before this one is through here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).id = None;
    }
}

#[cfg(all(test, not(loom)))]
#[path = "thread_tests.rs"]
mod tests;
