//! Which control groups this process is in, and where their files are: a pure reading of what the kernel says.
//!
//! `/proc/self/cgroup` says in which groups the process is, `/proc/self/mountinfo` where their files can be seen.

use std::path::{Path, PathBuf};

const CGROUPS: &str = "/proc/self/cgroup";
const MOUNTS: &str = "/proc/self/mountinfo";

/// One group that the process is in, by where its files are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) version: Version,
    pub(super) folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// All groups that can limit the process by this controller and can be seen, by the reader of files.
pub(super) fn of_process(
    controller: &str,
    read: impl Fn(&Path) -> Option<String>,
) -> Option<Vec<Group>> {
    let cgroups = read(Path::new(CGROUPS))?;
    let mounts = read(Path::new(MOUNTS))?;
    Some(groups(controller, &cgroups, &mounts))
}

fn groups(controller: &str, cgroups: &str, mounts: &str) -> Vec<Group> {
    let mounts = mounts.lines().map(|line| Mount::parse(line, controller));
    let mounts: Vec<Mount<'_>> = mounts.flatten().collect();
    let mut groups = Vec::new();
    let memberships = cgroups.lines().map(|line| membership(line, controller));
    for (version, path) in memberships.flatten() {
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

/// A line of `/proc/self/cgroup` that has to do with the controller: `hierarchy:controllers:path`.
fn membership<'a>(line: &'a str, controller: &str) -> Option<(Version, &'a str)> {
    let (hierarchy, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    if hierarchy == "0" && controllers.is_empty() {
        Some((Version::Two, path))
    } else if controllers.split(',').any(|name| name == controller) {
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
    fn parse(line: &'a str, controller: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let version = match filesystem.next()? {
            "cgroup2" => Version::Two,
            "cgroup" => {
                let options = filesystem.nth(1)?;
                options.split(',').find(|option| *option == controller)?;
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
