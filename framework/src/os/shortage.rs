//! Which limit may be the cause if the system gives no further thread, and what can be done about it.
//!
//! The system itself says `EAGAIN`, whichever of half a dozen limits it was. Those that can be read are compared with what is used.

use std::io;

use super::space::{self, Use};

/// The system does not give as many threads as are needed. The text says which limit is reached, as far as that can be told.
///
/// # Examples
///
/// ```
/// if let Err(none) = offload_core::rehearse_threads(8) {
///     eprintln!("{none}"); // the system gives only 3 of 8 threads: …
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the system gives {} threads: {cause}", share(*.given, *.wanted))]
pub struct NoThreads {
    given: usize,
    wanted: usize,
    cause: String,
    #[source]
    source: io::Error,
}

fn share(given: usize, wanted: usize) -> String {
    match given {
        0 => "no further".to_owned(),
        _ => format!("only {given} of {wanted}"),
    }
}

impl NoThreads {
    /// Looks for the cause, so it is to be made while those are still there that were given.
    pub(crate) fn new(given: usize, wanted: usize, source: io::Error) -> Self {
        let (cause, source) = match source.kind() {
            // It is known already, from `room_for`.
            kind @ io::ErrorKind::OutOfMemory => (source.to_string(), kind.into()),
            _ => (Limits::now().cause(), source),
        };
        Self {
            given,
            wanted,
            cause,
            source,
        }
    }

    /// An error of the system with what may be its cause.
    pub(crate) fn explained(source: io::Error) -> io::Error {
        io::Error::new(source.kind(), Self::new(0, 1, source))
    }

    /// How many threads could be started.
    #[must_use]
    pub fn given(&self) -> usize {
        self.given
    }

    /// How many were asked for.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }
}

/// The limits that hold for threads. What can't be read limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Limits {
    /// In KiB.
    address_space: Option<Use>,
    group: Option<Use>,
    machine: Option<Use>,
    mappings: Option<Use>,
    /// How many threads the user may have; how many there are is not counted.
    user: Option<u64>,
}

/// What a thread and the little that it needs for its beginning take of the address space, in KiB, as a rule.
const THREAD: u64 = 3 * 1024;

/// Its stack, the page that guards it, and the stack for signals.
const MAPPINGS_OF_THREAD: u64 = 6;

impl Limits {
    fn now() -> Self {
        system::limits()
    }

    /// What is reached, in words, or what may be.
    fn cause(&self) -> String {
        let up = |limit: Option<Use>, more| limit.filter(|limit| limit.is_up(more));
        let mut causes = Vec::new();
        if let Some(space) = up(self.address_space, THREAD) {
            causes.push(space::in_words(space));
        }
        if let Some(Use { used, limit }) = up(self.group, 1) {
            causes.push(format!(
                "its control group has {used} of at most {limit} threads (`pids.max`; `TasksMax` of systemd, `--pids-limit` of Docker)"
            ));
        }
        if let Some(Use { used, limit }) = up(self.machine, 1) {
            causes.push(format!(
                "the machine has {used} of at most {limit} threads (`kernel.threads-max`, `kernel.pid_max`)"
            ));
        }
        if let Some(Use { used, limit }) = up(self.mappings, MAPPINGS_OF_THREAD) {
            causes.push(format!(
                "this process has {used} of at most {limit} mappings of memory (`vm.max_map_count`)"
            ));
        }
        if let Some(limit) = self.user
            && causes.is_empty()
        {
            causes.push(format!(
                "no other limit is reached, so it may be that of its user: {limit} processes and threads in all (`ulimit -u`; `LimitNPROC` of systemd)"
            ));
        }
        if causes.is_empty() {
            return "no limit is known that is reached; memory may be used up".to_owned();
        }
        format!(
            "{}; raise that, or ask for fewer threads",
            causes.join(", and ")
        )
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::{fs, path::Path};

    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

    use super::{Limits, Use, space};
    use crate::os::groups::{self, Group};

    pub(super) fn limits() -> Limits {
        Limits {
            address_space: space::of_process(),
            group: groups::of_process("pids", read).and_then(|groups| {
                groups
                    .iter()
                    .filter_map(of_group)
                    .min_by_key(|group| group.left())
            }),
            machine: of_machine(),
            mappings: of_mappings(),
            user: soft(Resource::RLIMIT_NPROC),
        }
    }

    /// A limit of this process, if there is one.
    fn soft(resource: Resource) -> Option<u64> {
        let (soft, _) = getrlimit(resource).ok()?;
        (soft != RLIM_INFINITY).then_some(soft)
    }

    fn read(path: &Path) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn number(path: impl AsRef<Path>) -> Option<u64> {
        read(path.as_ref())?.trim().parse().ok()
    }

    /// The files are the same in both versions.
    fn of_group(group: &Group) -> Option<Use> {
        Some(Use {
            used: number(group.folder.join("pids.current"))?,
            limit: number(group.folder.join("pids.max"))?,
        })
    }

    fn of_machine() -> Option<Use> {
        let load = read(Path::new("/proc/loadavg"))?;
        let (_, all) = load.split(' ').nth(3)?.split_once('/')?;
        let threads = number("/proc/sys/kernel/threads-max")?;
        let numbers = number("/proc/sys/kernel/pid_max")?;
        Some(Use {
            used: all.parse().ok()?,
            limit: threads.min(numbers),
        })
    }

    fn of_mappings() -> Option<Use> {
        let maps = fs::read("/proc/self/maps").ok()?;
        Some(Use {
            used: maps.iter().filter(|byte| **byte == b'\n').count() as u64,
            limit: number("/proc/sys/vm/max_map_count")?,
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Limits;

    /// None is known.
    pub(super) fn limits() -> Limits {
        Limits::default()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of(used: u64, limit: u64) -> Option<Use> {
        Some(Use { used, limit })
    }

    #[test]
    fn the_limit_that_is_reached_is_named_with_what_is_used() {
        type Change = fn(&mut Limits);
        let none = Limits {
            address_space: of(100 * 1024, 900 * 1024),
            group: of(10, 100),
            machine: of(500, 10_000),
            mappings: of(300, 65_530),
            user: None,
        };
        let limits = |change: Change| {
            let mut limits = none.clone();
            change(&mut limits);
            limits.cause()
        };
        let table: [(Change, &[&str]); 7] = [
            (|_| {}, &["no limit is known"]),
            (
                |all| all.address_space = of(299 * 1024, 300 * 1024),
                &["299 of the 300 MiB", "`ulimit -v`", "raise that"],
            ),
            (
                |all| all.group = of(100, 100),
                &["100 of at most 100 threads", "`pids.max`"],
            ),
            (
                |all| all.machine = of(9_999, 10_000),
                &["9999 of at most 10000 threads", "threads-max"],
            ),
            (
                |all| all.mappings = of(65_526, 65_530),
                &["65526 of at most 65530", "max_map_count"],
            ),
            (
                |all| all.user = Some(1),
                &["that of its user: 1 processes", "`ulimit -u`"],
            ),
            (
                |all| (all.group, all.user) = (of(7, 7), Some(1)),
                &["control group has 7"],
            ),
        ];
        for (change, words) in table {
            let cause = limits(change);
            for word in words {
                assert!(cause.contains(word), "{cause} has no {word}");
            }
        }
        let reached = limits(|all| (all.group, all.user) = (of(7, 7), Some(1)));
        assert!(!reached.contains("ulimit -u"), "{reached}");
    }

    #[test]
    fn the_text_says_how_many_were_to_be_had() {
        let none = |given| NoThreads::new(given, 5, io::ErrorKind::WouldBlock.into()).to_string();
        assert!(none(0).starts_with("the system gives no further threads: "));
        assert!(none(3).starts_with("the system gives only 3 of 5 threads: "));
        let error = NoThreads::explained(io::ErrorKind::WouldBlock.into());
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(error.to_string().contains("no further threads"), "{error}");
    }

    #[test]
    fn the_systems_limits_are_read() {
        let now = Limits::now();
        if cfg!(target_os = "linux") {
            let mappings = now.mappings.expect("the kernel tells");
            assert!(0 < mappings.used && mappings.used < mappings.limit);
            assert!(now.machine.is_some_and(|machine| machine.used > 0));
        }
    }
}
