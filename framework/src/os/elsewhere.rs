//! Platforms other than Linux: nobody's priority is changed, which the documentation of [`Priority`] states.
//!
//! The calls exist there too. But what isn't compiled and measured where this project is made has no place in it.

use std::{io, time::Duration};

use super::Priority;

/// No thread can be named here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id;

impl Id {
    pub(super) fn current() -> Self {
        Self
    }
}

/// No thread's scheduling can be read here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {}

/// What a thread has used of the CPUs is not known here.
pub(super) fn cpu_time(_thread: Id) -> Option<Duration> {
    None
}

/// Nor the process.
pub(super) fn own_time() -> Option<Duration> {
    None
}

/// Nor how long a thread has waited for a core.
pub(super) fn run_delay(_thread: Id) -> Option<Duration> {
    None
}

/// Nor what it is at.
pub(super) fn is_waiting(_thread: Id) -> Option<bool> {
    None
}

/// Nor of any other.
pub(super) fn others_run() -> bool {
    false
}

/// Nor whether it is still counted.
pub(super) fn is_gone(_thread: Id) -> bool {
    true
}

/// Gives the calling thread a priority: a no-op on these platforms.
pub(super) fn apply(_priority: Priority) -> io::Result<()> {
    Ok(())
}

/// The calling thread stays as it is.
pub(super) fn wake_promptly() -> io::Result<()> {
    Ok(())
}

/// Threads can't be identified soundly once they may have ended, so none is.
pub(super) fn set_back(_thread: Id) -> io::Result<Setting> {
    Err(io::ErrorKind::Unsupported.into())
}

/// As [`set_back`].
pub(super) fn restore(_thread: Id, before: Setting) -> io::Result<()> {
    match before {}
}
