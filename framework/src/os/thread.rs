//! Sets the priority of lane threads: its own by each thread, and that of a thread that is at work by another one.
//!
//! Invariants:
//!
//! - I1. A thread's id is used from other threads only under the lock in its [`ThreadRef`], and the thread takes it out
//!   under that lock before it ends. So an id that the kernel gave to somebody else since is never used.
//! - I2. The lock is held for three system calls at most, and never while code of a user runs.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

use super::{
    Priority,
    refused::Refused,
    system::{self, Id, Setting},
};

/// Gives the calling thread a priority, which it then passes on to threads that it starts.
///
/// Where it is refused that is logged once, and the thread goes on as it was.
pub(crate) fn apply(priority: Priority) {
    static ONCE: Once = Once::new();
    if let Err(refused) = system::apply(priority) {
        refused.report(
            &ONCE,
            "the priority of a lane's threads",
            "they compete with the event loops as equals",
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
        refused.report(
            &ONCE,
            "a short slice for an event loop",
            "it waits longer for a core when lanes are busy",
        );
    }
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets another thread behind all others. Ask [`can_restore`] first, because where it can't be restored it stays there.
///
/// # Errors
///
/// [`Refused`] if the thread has ended or the system does not allow it.
pub(crate) fn demote(thread: &ThreadRef) -> Result<(), Refused> {
    let mut state = thread.lock(); // I1
    let id = state.id.ok_or(Refused::Ended)?;
    let now = system::read(id)?;
    system::write(id, now.idle())?;
    state.before.get_or_insert(now);
    Ok(())
}

/// The CPU time that a thread has used since it began, if the system tells.
pub(crate) fn cpu_time(thread: &ThreadRef) -> Option<Duration> {
    let state = thread.lock(); // I1
    system::cpu_time(state.id?)
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

/// Gives a thread that was set back its lane's priority again, at best by itself.
///
/// Nothing happens to a thread that was not. Where it is refused that is logged once.
pub(crate) fn restore(thread: &ThreadRef, priority: Priority) {
    static ONCE: Once = Once::new();
    let mut state = thread.lock(); // I1
    let (Some(id), Some(before)) = (state.id, state.before.take()) else {
        return;
    };
    if let Err(refused) = system::write(id, before.with(priority)) {
        refused.report(
            &ONCE,
            "the former priority of a thread that was set back",
            "it serves its lane behind all other threads from now on",
        );
    }
}

/// Whether a thread that was set back can be restored, which takes `CAP_SYS_NICE` or an `RLIMIT_NICE` of 20.
///
/// Found out once, by trying it on a thread made for it, because there are more reasons than those two: a container's system
/// call filter, a security module. The first call therefore waits until that thread has started. If none can be had the
/// answer is no until one can.
pub(crate) fn can_restore() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    static ONCE: Once = Once::new();
    if let Some(answer) = ANSWER.get() {
        return *answer;
    }
    let answer = match try_out() {
        Ok(()) => true,
        // There is no thread to try it on. What the kernel refuses to a thread it refuses otherwise.
        Err(Refused::System(error)) if error.kind() == io::ErrorKind::WouldBlock => return false,
        Err(refused) => {
            refused.report(
                &ONCE,
                "to restore a thread that was set back",
                "a job that runs far longer than predicted keeps its lane's priority \
                 (CAP_SYS_NICE or an RLIMIT_NICE of 20 would change that)",
            );
            false
        }
    };
    *ANSWER.get_or_init(|| answer)
}

/// Sets a thread back and restores it. From outside: one that did it to itself would have to wait for a core in between.
fn try_out() -> Result<(), Refused> {
    let (tell, told) = mpsc::channel();
    let (keep, kept) = mpsc::channel::<()>();
    thread::Builder::new()
        .name("offload-probe".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            // Both ends only fail because the other one is gone, and then there is nothing to do.
            let _ = tell.send(ThreadRef::current());
            let _ = kept.recv();
        })
        .map_err(Refused::System)?;
    let thread = told.recv().map_err(|_| Refused::Ended)?;
    demote(&thread)?;
    let state = thread.lock(); // I1
    let id = state.id.ok_or(Refused::Ended)?;
    // It may have come from a lane's thread, so it had less than the most that will ever be asked for.
    let outcome = system::write(id, system::read(id)?.normal());
    drop(state);
    drop(keep); // It ends by itself; if it was left behind all others, that may take its time.
    outcome
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
