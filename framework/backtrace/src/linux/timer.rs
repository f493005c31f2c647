//! Rings a thread only while it runs: by a timer on the thread's own CPU clock, which stands still while it waits.
//!
//! A signal that is sent at any other time ends system calls early that the thread waits in (`EINTR`), though its handler asks the
//! kernel to go on with them: reading from a socket with a time limit, sleeping, `poll`, `epoll_wait`. To look first whether
//! the thread waits leaves a gap between the look and the signal.
//!
//! The kernel looks after such timers in its tick (each 1 to 10 ms), for the thread that the tick has interrupted. On x86-64
//! and 64-bit ARM it does not send the signal there, but on the thread's way back from the kernel into the program
//! (`CONFIG_POSIX_CPU_TIMERS_TASK_WORK`, since Linux 5.9 on x86-64). A thread that was interrupted in the middle of a system call goes on with it,
//! waits as long as it has to, and by then the timer is gone. So there is no gap.
//!
//! Where a kernel sends the signal from the tick itself one is left: the tick has to come in the fraction of a
//! microsecond in which the thread is inside of a system call and not yet asleep.

use std::{io, mem::MaybeUninit, ptr};

use nix::libc::{self, c_int, itimerspec, sigevent, timer_t, timespec};

use super::thread::{cpu_clock, cpu_time};
use crate::Unavailable;

/// A timer that sends one signal to a thread as soon as that runs, and none after it was dropped.
#[derive(Debug)]
pub(super) struct Timer(timer_t);

impl Timer {
    /// Starts it. The signal has to be one that is ignored or handled, whatever thread of this process gets it.
    #[expect(
        unsafe_code,
        reason = "no safe binding names a thread on each C library"
    )]
    pub(super) fn start(thread: i32, signal: c_int) -> Result<Self, Unavailable> {
        // SAFETY: integers and a pointer that nobody follows, all of which may be zero.
        let mut event: sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = thread;
        let mut timer = MaybeUninit::<timer_t>::uninit();
        let clock = cpu_clock(thread);
        // SAFETY: both pointers are to locals of the right types; the kernel keeps neither, checks the numbers of clock and
        // thread, and takes only threads of this process.
        let made = unsafe { libc::timer_create(clock, &raw mut event, timer.as_mut_ptr()) };
        if made != 0 {
            return Err(refused(thread));
        }
        // SAFETY: the call has succeeded, so it was written.
        let timer = Self(unsafe { timer.assume_init() });
        let at_once = itimerspec {
            it_interval: timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: timespec {
                tv_sec: 0,
                tv_nsec: 1,
            },
        };
        // SAFETY: the timer exists, `at_once` is read during the call only, and the last argument may be null.
        let set = unsafe { libc::timer_settime(timer.0, 0, &raw const at_once, ptr::null_mut()) };
        if set == 0 {
            Ok(timer)
        } else {
            Err(refused(thread))
        }
    }
}

impl Drop for Timer {
    #[expect(unsafe_code, reason = "no safe binding has this call")]
    fn drop(&mut self) {
        // SAFETY: it exists, and nobody uses it afterwards. There is nothing to be done about an error.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Why the last call failed.
fn refused(thread: i32) -> Unavailable {
    let error = io::Error::last_os_error();
    if cpu_time(thread).is_none() {
        return Unavailable::Gone;
    }
    Unavailable::System(error)
}
