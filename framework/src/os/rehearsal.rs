//! Finds out whether threads can be had before something is started that does not survive it if they can't.
//!
//! An async runtime panics if the system gives no thread for what it was asked to start, and there is no way to ask it
//! otherwise. So the threads are started beforehand, to do nothing, and then ended: what they took of the system's limits is free
//! again, and the C library keeps the memory of their stacks for those that come next. What remains is that others take it in
//! between, which are some tens of microseconds for one thread.
//!
//! A new thread that finds no address space for its second stack, the one for signals, ends the process. Where that is
//! limited there has to be enough before any is started; and the C library's allocator, which takes 64 MiB for each thread as long as it can,
//! must not get what the next thread needs. So what exceeds the need is held back until all have been started, if it is not
//! enough for everything.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    limits,
    shortage::NoThreads,
    space::{HeldBack, hold_back, room_for},
    system::{self, Id},
};

/// How much of the address space a thread takes with a stack of the usual size, in KiB.
const ROOM_FOR_ONE: u64 = 2 * 1024 + 128;

/// How much has to be left beside all of them, in KiB, for what they are started for.
const ROOM_TO_WORK: u64 = 16 * 1024;

/// What the allocator takes of it for a thread, in KiB; twice that for a moment.
const ROOM_FOR_HEAP: u64 = 64 * 1024;

/// The kernel counts a thread for a moment after it has been joined; and one that was started may get no core for a while.
const PATIENCE: Duration = Duration::from_millis(100);

/// Finds out whether so many further threads could be had now, with the usual stack, by starting them and ending them again.
///
/// It takes some tens of microseconds for each. Before something is started that panics if it gets no thread, such as an async
/// runtime.
///
/// # Errors
///
/// [`NoThreads`] if the system gives fewer, with the limit that is the cause as far as that can be told.
///
/// # Examples
///
/// ```
/// let rehearsed = offload_core::rehearse_threads(2)?;
/// // ... start an async runtime with two threads
/// drop(rehearsed);
/// # Ok::<(), offload_core::NoThreads>(())
/// ```
pub fn rehearse_threads(count: usize) -> Result<Rehearsed, NoThreads> {
    // They wait at it until it is over.
    let door = Arc::new(Mutex::new(()));
    let closed = door.lock().unwrap_or_else(PoisonError::into_inner);
    let (tell, ids) = mpsc::channel();
    let start = || {
        let (door, tell) = (Arc::clone(&door), tell.clone());
        let named = thread::Builder::new().name("offload-try".to_owned());
        named.spawn(move || {
            // It only fails if nobody wants to know.
            let _ = tell.send(Id::current());
            drop(door.lock());
        })
    };
    let mut actors = Vec::with_capacity(count);
    let outcome = make_room(count as u64)
        .and_then(|mut held| {
            for _ in 0..count {
                let actor = start().or_else(|error| {
                    // Stacks may be larger than usual.
                    drop(held.take().ok_or(error)?);
                    start()
                });
                actors.push(actor?);
            }
            Ok(Rehearsed { held })
        })
        // While those that were given are there.
        .map_err(|error| NoThreads::new(actors.len(), count, error));
    drop(closed);
    drop(tell);
    for actor in actors {
        // It does nothing that could panic.
        let _ = actor.join();
    }
    let begun = Instant::now();
    for id in ids {
        while !system::is_gone(id) && begun.elapsed() < PATIENCE {
            thread::yield_now();
        }
    }
    outcome
}

/// As many threads as were asked for could be had a moment ago; see [`rehearse_threads`].
///
/// Where the address space of the process is limited (`ulimit -v`) this may hold some of it back from all others. To be kept
/// until the threads have been started, which takes little time. Dropping it waits until they have begun, 0.1 s at most.
#[derive(Debug)]
#[must_use = "to be kept until the threads have been started"]
pub struct Rehearsed {
    held: Option<HeldBack>,
}

impl Drop for Rehearsed {
    fn drop(&mut self) {
        let begun = Instant::now();
        // One that has begun to wait has all that it needs for its beginning.
        while self.held.is_some() && system::others_run() && begun.elapsed() < PATIENCE {
            thread::yield_now();
        }
    }
}

/// Sees to it that the address space is enough for so many threads, and that nobody else takes it from them.
fn make_room(count: u64) -> io::Result<Option<HeldBack>> {
    let needed = count * ROOM_FOR_ONE + ROOM_TO_WORK;
    room_for(needed)?;
    let heaps = (count + 1) * ROOM_FOR_HEAP;
    let spare = limits::address_space().map_or(0, |space| space.left().saturating_sub(needed));
    // One thread has nobody to take it from; and others may want it while the program is at work.
    let scarce = count > 1 && spare > 0 && spare < heaps;
    Ok(if scarce { hold_back(spare) } else { None })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn threads_that_can_be_had_are_there_and_gone_again() {
        for count in [0, 1, 20] {
            drop(rehearse_threads(count).expect("they can be had"));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_is_gone_once_it_is_not_counted() {
        let (tell, told) = mpsc::channel();
        let (keep, kept) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let _ = tell.send(Id::current());
            let _ = kept.recv();
        });
        let id = told.recv().expect("it tells");
        assert!(!system::is_gone(id));
        drop(keep);
        thread.join().expect("it only waits");
        let begun = Instant::now();
        while !system::is_gone(id) {
            assert!(begun.elapsed() < Duration::from_secs(60));
        }
    }
}
