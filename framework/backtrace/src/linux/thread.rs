//! What the kernel tells of a thread of this process by its number: the CPU time that it has used, and whether it waits.

use std::{fs::File, io::Read, time::Duration};

use nix::{
    libc::{clockid_t, pid_t},
    time::{ClockId, clock_gettime},
};

/// The CPU time that a thread has used; `None` if there is no such thread any more.
pub(super) fn cpu_time(thread: pid_t) -> Option<Duration> {
    let clock = ClockId::from_raw(cpu_clock(thread));
    clock_gettime(clock).ok().map(Duration::from)
}

/// The number of a thread's CPU clock, as the C library makes it: the complement of the thread's, and the kind in the lower
/// bits (per thread, scheduler's time).
pub(super) fn cpu_clock(thread: pid_t) -> clockid_t {
    const THREAD_AND_SCHEDULED: clockid_t = 4 | 2;
    (!thread << 3) | THREAD_AND_SCHEDULED
}

/// Whether a thread sleeps, by the state that the kernel shows for it.
pub(super) fn is_waiting(thread: pid_t) -> Option<bool> {
    let mut text = [0; 64];
    let mut stat = File::open(format!("/proc/self/task/{thread}/stat")).ok()?;
    let read = stat.read(&mut text).ok()?;
    state_in(&text[..read]).map(|state| matches!(state, b'S' | b'D'))
}

/// The letter behind the thread's name, which is in brackets and may hold brackets itself.
fn state_in(stat: &[u8]) -> Option<u8> {
    let bracket = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(bracket + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_found_behind_any_name() {
        assert_eq!(state_in(b"12 (worker 0) R 1 2"), Some(b'R'));
        assert_eq!(state_in(b"12 (a) S (b) D 1"), Some(b'D'));
        assert_eq!(state_in(b"12 (never closed"), None);
        assert_eq!(state_in(b""), None);
    }
}
