//! The owner's side of a queued job: dropping it takes the job out of the queue.

use std::{fmt, sync::Arc};

use super::{account::Entry, entry::Removal};

/// Owns a job that was given to the lanes with [`Lanes::submit`](crate::Lanes::submit).
///
/// Dropping it removes the job if the job has not begun: its closure, with all that it holds, is dropped at once on the
/// dropping thread, never runs, and no longer counts towards the lane's bound. A job that has begun runs to its end; a
/// closure can't be stopped from outside. [`detach`](Self::detach) lets the job run in any case.
///
/// # Examples
///
/// ```
/// use offload_core::{Lanes, Terms};
/// use std::sync::mpsc;
///
/// let lanes = Lanes::builder().threads(1).build()?;
/// let (sender, receiver) = mpsc::channel();
/// lanes.submit(&Terms::new(), move || sender.send(2 + 2).unwrap())?.detach();
/// assert_eq!(receiver.recv(), Ok(4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle removes the job; call `detach` to let it run"]
pub struct JobHandle {
    /// `None`: it ran inline, or it was detached.
    entry: Option<Arc<Entry>>,
}

impl JobHandle {
    pub(crate) fn new(entry: Arc<Entry>) -> Self {
        Self { entry: Some(entry) }
    }

    pub(crate) fn inline() -> Self {
        Self { entry: None }
    }

    /// Lets the job run whether or not anybody holds a handle to it.
    pub fn detach(mut self) {
        self.entry = None;
    }

    /// Removes the job from the queue. True if it was still there, so that it never runs.
    ///
    /// This is what dropping the handle does, with an answer.
    pub fn cancel(mut self) -> bool {
        self.remove()
    }

    /// Whether the job was dropped because it had waited too long.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.has_expired())
    }

    fn remove(&mut self) -> bool {
        let Some(entry) = self.entry.take() else {
            return false;
        };
        match entry.remove() {
            Removal::Taken(work) => {
                drop(work);
                true
            }
            Removal::Promised => true,
            Removal::Late => false,
        }
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.remove();
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").finish_non_exhaustive()
    }
}
