//! Whether a control group limits the CPU time of this process, and to how many CPUs' worth.
//!
//! Pure but for the reader that it is handed: `/proc/self/cgroup` says in which groups the process is, `/proc/self/mountinfo`
//! where their files can be seen, and each group up to the topmost visible one may have a quota. The tightest one counts.

use std::path::{Path, PathBuf};

const CGROUPS: &str = "/proc/self/cgroup";
const MOUNTS: &str = "/proc/self/mountinfo";

/// The tightest quota, in CPUs: 1.5 is 150 ms of CPU time each 100 ms. `None` if nothing limits it as far as can be seen.
pub(super) fn tightest(read: impl Fn(&Path) -> Option<String>) -> Option<f64> {
    let cgroups = read(Path::new(CGROUPS))?;
    let mounts = read(Path::new(MOUNTS))?;
    groups(&cgroups, &mounts)
        .iter()
        .filter_map(|group| group.quota(&read))
        .min_by(f64::total_cmp)
}

/// One group that the process is in, by where its files are.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    version: Version,
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Group {
    fn quota(&self, read: impl Fn(&Path) -> Option<String>) -> Option<f64> {
        let read = |file| read(&self.folder.join(file));
        match self.version {
            Version::Two => {
                let text = read("cpu.max")?;
                let (quota, period) = text.trim().split_once(' ')?;
                cpus(quota, period)
            }
            Version::One => cpus(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?),
        }
    }
}

/// A quota in CPUs. No number, as in `max`, and -1 mean that there is none.
fn cpus(quota: &str, period: &str) -> Option<f64> {
    let quota: u32 = quota.trim().parse().ok()?;
    let period: u32 = period.trim().parse().ok()?;
    (quota > 0 && period > 0).then(|| f64::from(quota) / f64::from(period))
}

/// All groups that can limit the process and can be seen.
fn groups(cgroups: &str, mounts: &str) -> Vec<Group> {
    let mounts: Vec<Mount<'_>> = mounts.lines().filter_map(Mount::parse).collect();
    let mut groups = Vec::new();
    for (version, path) in cgroups.lines().filter_map(membership) {
        let seen = mounts.iter().filter(|mount| mount.version == version);
        // The mount that shows most of the way to the group, if a container has several.
        let Some((mount, below)) = seen
            .map(|mount| (mount, mount.below(path)))
            .max_by_key(|(mount, below)| (below.is_some(), std::cmp::Reverse(mount.root.len())))
        else {
            continue;
        };
        // A group outside of what is mounted is seen as the mount's own root, which is how containers without a
        // namespace of their own look.
        let top = unescape(mount.point);
        let below = Path::new(below.unwrap_or_default());
        groups.extend(below.ancestors().map(|group| Group {
            version,
            folder: top.join(group),
        }));
    }
    groups
}

/// A line of `/proc/self/cgroup` that has to do with CPU time: `hierarchy:controllers:path`.
fn membership(line: &str) -> Option<(Version, &str)> {
    let (hierarchy, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    if hierarchy == "0" && controllers.is_empty() {
        Some((Version::Two, path))
    } else if controllers.split(',').any(|name| name == "cpu") {
        Some((Version::One, path))
    } else {
        None
    }
}

/// Where groups can be seen.
struct Mount<'a> {
    version: Version,
    /// The group that is seen at `point`.
    root: &'a str,
    point: &'a str,
}

impl<'a> Mount<'a> {
    /// A line of `/proc/self/mountinfo`: `id parent device root point options tags* - type source options`.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let version = match filesystem.next()? {
            "cgroup2" => Version::Two,
            "cgroup" => {
                let options = filesystem.nth(1)?;
                options.split(',').find(|option| *option == "cpu")?;
                Version::One
            }
            _ => return None,
        };
        Some(Self {
            version,
            root,
            point,
        })
    }

    /// The path of a group from here, empty for the root itself; `None` if the group can't be seen from here.
    fn below<'b>(&self, group: &'b str) -> Option<&'b str> {
        let below = group.strip_prefix(self.root.trim_end_matches('/'))?;
        if below.is_empty() {
            return Some(below);
        }
        let below = below.strip_prefix('/')?;
        // Outside of the namespace's root the kernel says `/..`.
        (!below.split('/').any(|part| part == "..")).then_some(below)
    }
}

/// A path in which the kernel wrote blanks and the like as a backslash and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut parts = text.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(code) => {
                path.push(char::from(code));
                path.push_str(&part[3..]);
            }
            None => {
                path.push('\\');
                path.push_str(part);
            }
        }
    }
    PathBuf::from(path)
}

#[cfg(all(test, not(loom)))]
#[path = "quota_tests.rs"]
mod tests;
