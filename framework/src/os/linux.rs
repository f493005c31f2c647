//! Linux: policy, niceness and slice of one thread, by `sched_setattr`, which alone can set all three.

use std::{
    fs::{self, File},
    io::{self, Read},
    mem,
    path::Path,
    sync::OnceLock,
    time::Duration,
};

use nix::{
    libc::{self, c_long, pid_t, sched_attr},
    time::{ClockId, clock_gettime},
    unistd::{getpid, gettid},
};

use super::Priority;

/// The shortest slice that the kernel grants, for event loops. Kernels before 6.12 ignore it.
///
/// They run for moments and sleep again: of those to whom it owes time the kernel lets the one with the earliest virtual deadline
/// run, which is a slice away. With jobs of 5 and 500 ms on 2 cores, the light p99 was 0.2 to 0.6 ms with the kernel's own
/// slice and 0.12 to 0.19 ms with this one.
const SHORT_SLICE: Duration = Duration::from_micros(100);

/// The longest slice that the kernel grants.
const LONGEST_SLICE: Duration = Duration::from_millis(100);

/// The slice of lane threads that have a smaller share of their own: ten times an event loop's.
///
/// Such a thread is often owed time, because the long lane had the core for a while, and then what decides whether an event
/// loop that wakes comes first is whose deadline is earlier. With slices as short as the loop's it was the lane's, and the loop waited
/// for up to 2 ms. Light p99 beside jobs of 5 and 500 ms on 2 cores, medians of twelve runs by turns: 0.5 ms with slices of
/// 0.1 ms (up to 1.1), 0.3 ms with slices of 0.7 to 3 ms, above 1 ms with 100 ms. Another build of the same Linux 6.18 had it
/// the other way round, 0.15 ms with 0.1 ms and up to 1.1 with 3 ms; this is in between.
const LANE_SLICE: Duration = Duration::from_millis(1);

const LOWEST_NICE: i32 = 19;

/// A thread of this process, as the kernel numbers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id(pid_t);

impl Id {
    /// What the kernel takes for the calling thread.
    const SELF: Self = Self(0);

    pub(super) fn current() -> Self {
        Self(gettid().as_raw())
    }
}

/// The CPU time of any thread, by the clock that the kernel has for each.
///
/// Its number is made as the C library makes it: the complement of the thread's, and the kind in the lower bits (per thread, scheduler's
/// time).
pub(super) fn cpu_time(Id(id): Id) -> Option<Duration> {
    const THREAD_AND_SCHEDULED: libc::clockid_t = 4 | 2;
    let clock = ClockId::from_raw((!id << 3) | THREAD_AND_SCHEDULED);
    clock_gettime(clock).ok().map(Duration::from)
}

/// The CPU time that this process has used.
pub(super) fn own_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .ok()
        .map(Duration::from)
}

/// How long a thread has waited for a core, if the kernel counts it.
pub(super) fn run_delay(Id(id): Id) -> Option<Duration> {
    let mut text = [0; 96];
    let mut stat = File::open(format!("/proc/self/task/{id}/schedstat")).ok()?;
    let read = stat.read(&mut text).ok()?;
    delay_in(str::from_utf8(&text[..read]).ok()?)
}

/// The second of the three numbers, in nanoseconds. Where the kernel counts nothing, the first is zero as well.
fn delay_in(schedstat: &str) -> Option<Duration> {
    let mut numbers = schedstat.split_whitespace().map(str::parse);
    let ran: u64 = numbers.next()?.ok()?;
    let waited = numbers.next()?.ok()?;
    (ran > 0).then(|| Duration::from_nanos(waited))
}

/// Whether a thread sleeps, by the state that the kernel shows for it.
pub(super) fn is_waiting(Id(id): Id) -> Option<bool> {
    let mut text = [0; 64];
    let mut stat = File::open(format!("/proc/self/task/{id}/stat")).ok()?;
    let read = stat.read(&mut text).ok()?;
    state_in(&text[..read]).map(|state| matches!(state, b'S' | b'D'))
}

/// The letter behind the thread's name, which is in brackets and may hold brackets itself.
fn state_in(stat: &[u8]) -> Option<u8> {
    let bracket = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(bracket + 2).copied()
}

/// Whether any other thread of this process runs, or would if it got a core.
pub(super) fn others_run() -> bool {
    let own = gettid().as_raw();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return false;
    };
    tasks
        .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
        .any(|thread: pid_t| thread != own && is_waiting(Id(thread)) == Some(false))
}

/// Whether the kernel has forgotten a thread, which it counts until then, or shows none at all.
pub(super) fn is_gone(Id(id): Id) -> bool {
    !Path::new(&format!("/proc/self/task/{id}")).exists()
}

/// How the kernel schedules a thread.
#[derive(Clone, Copy)]
pub(super) struct Setting(sched_attr);

impl Setting {
    /// With the shortest slice, which the threads that it starts do not get. None if that changes nothing, or if somebody
    /// gave the thread a policy on purpose.
    fn prompt(mut self) -> Option<Self> {
        let plain = self.0.sched_policy == libc::SCHED_OTHER.cast_unsigned();
        if !plain || u128::from(self.0.sched_runtime) == SHORT_SLICE.as_nanos() {
            return None;
        }
        self.take_turns_of(SHORT_SLICE);
        Some(self)
    }

    /// With turns of this length, which threads that it starts do not get.
    fn take_turns_of(&mut self, slice: Duration) {
        let slice = slice.clamp(SHORT_SLICE, LONGEST_SLICE);
        self.0.sched_runtime = u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX);
        // It would also take from the new threads a niceness below zero, which is worth more than a slice.
        if self.0.sched_nice >= 0 {
            self.0.sched_flags |= libc::SCHED_FLAG_RESET_ON_FORK as u64;
        }
    }

    /// What this thread has at `priority`, if this is what it had without.
    fn with(mut self, priority: Priority) -> Self {
        match priority {
            Priority::Normal => self,
            Priority::Slice(slice) => {
                self.policy(libc::SCHED_OTHER);
                self.take_turns_of(slice);
                self
            }
            Priority::Batch { nice } => {
                self.policy(libc::SCHED_BATCH);
                let nice = process_nice() + i32::from(nice.steps());
                self.0.sched_nice = nice.min(LOWEST_NICE);
                self.take_turns_of(LANE_SLICE);
                self
            }
            Priority::Idle => {
                self.policy(libc::SCHED_IDLE);
                self
            }
        }
    }

    /// One of the policies of time sharing, which have no static priority, no deadline, and here the kernel's own slice.
    fn policy(&mut self, policy: libc::c_int) {
        self.0.sched_policy = policy.cast_unsigned();
        self.0.sched_priority = 0;
        self.0.sched_runtime = 0;
        self.0.sched_deadline = 0;
        self.0.sched_period = 0;
    }
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting")
            .field("policy", &self.0.sched_policy)
            .field("nice", &self.0.sched_nice)
            .field("slice", &self.0.sched_runtime)
            .finish()
    }
}

/// Gives the calling thread a priority.
pub(super) fn apply(priority: Priority) -> io::Result<()> {
    if priority == Priority::Normal {
        return Ok(());
    }
    write(Id::SELF, read(Id::SELF)?.with(priority))
}

/// Lets the calling thread get a core soon when it wakes up.
pub(super) fn wake_promptly() -> io::Result<()> {
    match read(Id::SELF)?.prompt() {
        Some(setting) => write(Id::SELF, setting),
        None => Ok(()),
    }
}

/// Gives a thread the longest turns, otherwise it stays as it was, which is returned.
pub(super) fn set_back(thread: Id) -> io::Result<Setting> {
    let before = read(thread)?;
    let mut patient = before;
    patient.take_turns_of(LONGEST_SLICE);
    write(thread, patient)?;
    Ok(before)
}

/// Has a thread scheduled as before.
pub(super) fn restore(thread: Id, before: Setting) -> io::Result<()> {
    write(thread, before)
}

/// The niceness that the process was started with, which the event loops have.
///
/// The main thread's when it was first asked for: the calling thread may have stepped down already.
fn process_nice() -> i32 {
    static NICE: OnceLock<i32> = OnceLock::new();
    *NICE.get_or_init(|| read(Id(getpid().as_raw())).map_or(0, |setting| setting.0.sched_nice))
}

/// How `thread` is scheduled now.
#[expect(unsafe_code, reason = "no safe binding has this system call")]
pub(super) fn read(thread: Id) -> io::Result<Setting> {
    let mut attr = sched_attr {
        size: 0,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // The fields are integers, so that whatever is written is valid; the kernel checks the id and the rest; each argument
    // has the width of a register.
    // SAFETY: at most `SIZE` bytes are written, which is what `attr` has, and nobody else refers to it during the call.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            c_long::from(thread.0),
            &raw mut attr,
            SIZE as c_long,
            0 as c_long,
        )
    };
    if outcome == 0 {
        Ok(Setting(attr))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has `thread` scheduled otherwise from now on.
#[expect(unsafe_code, reason = "no safe binding has this system call")]
fn write(thread: Id, Setting(mut attr): Setting) -> io::Result<()> {
    attr.size = SIZE;
    // The kernel keeps no pointer and checks the id and the values; when a thread runs is nothing that safe code may rely
    // on; each argument has the width of a register.
    // SAFETY: `size` bytes are read, all of which `attr` has, initialised, and at most the field `size` is written.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_sched_setattr,
            c_long::from(thread.0),
            &raw mut attr,
            0 as c_long,
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Of the structure's first form, which each kernel that has the call takes.
const SIZE: u32 = mem::size_of::<sched_attr>() as u32;

#[cfg(all(test, not(loom)))]
impl Setting {
    /// The slice in nanoseconds, zero on kernels that don't say.
    pub(super) fn slice(&self) -> u64 {
        self.0.sched_runtime
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_found_behind_any_name() {
        assert_eq!(state_in(b"12 (worker 0) R 1 2"), Some(b'R'));
        assert_eq!(state_in(b"12 (a) S (b) D 1"), Some(b'D'));
        assert_eq!(state_in(b"12 (never closed"), None);
        assert_eq!(state_in(b""), None);
    }

    #[test]
    fn a_thread_that_looks_at_itself_does_not_wait() {
        assert_eq!(is_waiting(Id::current()), Some(false));
    }
}
