//! What the system limits threads by, and how much of it is used. What can't be read limits nothing.

use std::fmt;

/// How much of something is used, and how much may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) whose: &'static str,
    pub(super) used: u64,
    pub(super) most: u64,
    /// What it is of, and where it is set.
    pub(super) what: &'static str,
}

impl Limit {
    /// Whether no more than `more` can be had.
    pub(super) fn is_up(self, more: u64) -> bool {
        self.left() <= more
    }

    pub(super) fn left(self) -> u64 {
        self.most.saturating_sub(self.used)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            whose,
            used,
            most,
            what,
        } = self;
        write!(f, "{whose} has {used} of at most {most} {what}")
    }
}

pub(super) use system::{address_space, control_group, of_user};

#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

    use super::Limit;

    /// In KiB. Costs one system call if there is no limit.
    pub(in super::super) fn address_space() -> Option<Limit> {
        let most = soft(Resource::RLIMIT_AS)? / 1024;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
        Some(Limit {
            whose: "this process",
            used: size?.split_ascii_whitespace().next()?.parse().ok()?,
            most,
            what: "KiB of address space (`ulimit -v`)",
        })
    }

    /// In threads.
    pub(in super::super) fn control_group() -> Option<Limit> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        super::of_group(&groups, |path| fs::read_to_string(path).ok())
    }

    /// How many processes and threads the user may have. How many there are is not counted.
    pub(in super::super) fn of_user() -> Option<u64> {
        soft(Resource::RLIMIT_NPROC)
    }

    /// A limit of this process, if there is one.
    fn soft(resource: Resource) -> Option<u64> {
        let (soft, _) = getrlimit(resource).ok()?;
        (soft != RLIM_INFINITY).then_some(soft)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Limit;

    /// Not known.
    pub(in super::super) fn address_space() -> Option<Limit> {
        None
    }

    /// Not known.
    pub(in super::super) fn control_group() -> Option<Limit> {
        None
    }

    /// Not known.
    pub(in super::super) fn of_user() -> Option<u64> {
        None
    }
}

/// The tightest limit of the control groups that the process is in, by the text of `/proc/self/cgroup`, up to the topmost group that
/// can be seen: in a container that is its own.
#[cfg(any(target_os = "linux", test))]
fn of_group(groups: &str, read: impl Fn(&std::path::Path) -> Option<String>) -> Option<Limit> {
    use std::path::Path;

    // `hierarchy:controllers:path`. The second version names no controllers.
    let fields = groups.lines().map(|line| line.splitn(3, ':').skip(1));
    let folders = fields.filter_map(|mut fields| {
        let top = match fields.next()? {
            "" => "/sys/fs/cgroup",
            names if names.split(',').any(|name| name == "pids") => "/sys/fs/cgroup/pids",
            _ => return None,
        };
        Some((
            top,
            Path::new(top).join(fields.next()?.trim_start_matches('/')),
        ))
    });
    let number = |path: &Path| read(path)?.trim().parse().ok();
    let limit = |folder: &Path| {
        Some(Limit {
            whose: "its control group",
            used: number(&folder.join("pids.current"))?,
            most: number(&folder.join("pids.max"))?,
            what: "threads (`pids.max`; `TasksMax` of systemd, `--pids-limit` of Docker)",
        })
    };
    let limits = folders.flat_map(|(top, folder)| {
        let groups = folder
            .ancestors()
            .take_while(|group| group.starts_with(top));
        groups.filter_map(limit).collect::<Vec<_>>()
    });
    limits.min_by_key(|limit| limit.left())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told() {
        let limit = Limit {
            whose: "she",
            used: 70,
            most: 100,
            what: "apples",
        };
        assert_eq!(limit.left(), 30);
        assert!(limit.is_up(30) && !limit.is_up(29));
        assert_eq!(limit.to_string(), "she has 70 of at most 100 apples");
    }

    #[test]
    fn the_tightest_control_group_counts() {
        let number = |groups: &str, files: &[(&str, &str, &str)]| {
            let read = |path: &std::path::Path| {
                let found = files.iter().find(|(folder, ..)| path.starts_with(folder));
                let (folder, used, most) = found?;
                let file = path.strip_prefix(folder).ok()?.to_str()?;
                match file {
                    "pids.current" => Some(format!("{used}\n")),
                    "pids.max" => Some(format!("{most}\n")),
                    _ => None,
                }
            };
            of_group(groups, read).map(|limit| (limit.used, limit.most))
        };
        let (two, one) = ("/sys/fs/cgroup", "/sys/fs/cgroup/pids");
        let (inner, outer) = ("/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a");
        for (groups, files, expected) in [
            ("0::/a/b\n", vec![(inner, "5", "9")], Some((5, 9))),
            // The tighter one is above.
            (
                "0::/a/b\n",
                vec![(inner, "5", "9"), (outer, "8", "10")],
                Some((8, 10)),
            ),
            (
                "0::/a/b\n",
                vec![(inner, "5", "max"), (outer, "8", "10")],
                Some((8, 10)),
            ),
            // In a container its own group is the root, whatever path the kernel tells.
            ("0::/\n", vec![(two, "3", "4")], Some((3, 4))),
            ("0::/docker/1f\n", vec![(two, "3", "4")], Some((3, 4))),
            ("0::/../other\n", vec![(two, "3", "4")], Some((3, 4))),
            // The first version.
            (
                "9:cpu,pids:/a\n5:memory:/a\n0::/a\n",
                vec![("/sys/fs/cgroup/pids/a", "1", "2")],
                Some((1, 2)),
            ),
            ("9:pids:/a\n", vec![(one, "1", "2")], Some((1, 2))),
            ("5:memory:/a\n", vec![(two, "1", "2")], None),
            ("0::/a/b\n", vec![(inner, "5", "max")], None),
            ("0::/a/b\n", vec![], None),
            ("nonsense\n", vec![(two, "1", "2")], None),
            ("", vec![(two, "1", "2")], None),
        ] {
            assert_eq!(number(groups, &files), expected, "{groups:?}, {files:?}");
        }
    }
}
