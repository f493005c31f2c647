//! Control groups with weights: what keeps services and containers of one machine apart, where this process may make them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

/// The hierarchies in which groups have weights: where they are, the file of the weight, and what a service has by default.
const HIERARCHIES: [(&str, &str, &str); 2] = [
    ("/sys/fs/cgroup", "cpu.weight", "100"),
    // The first version.
    ("/sys/fs/cgroup/cpu", "cpu.shares", "1024"),
];
/// How often the folder of a group is tried to be removed: the kernel frees it a little after its last process has ended.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(20);
/// What the name of each group begins with; the number of its harness follows.
const PREFIX: &str = "saturation-";

/// A control group that gets as much of the cores as any other. It goes with this value; its processes must have ended.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
}

impl Group {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Why there are none here, or none for this process.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let here = HIERARCHIES
            .iter()
            .find(|(root, file, _)| weighs(Path::new(root), file));
        let Some((root, file, weight)) = here else {
            return Err(io::Error::other(
                "there are no control groups with weights here",
            ));
        };
        sweep(Path::new(root));
        let name = format!("{PREFIX}{}-{name}", process::id());
        let folder = Path::new(root).join(name);
        let named = |error| io::Error::other(format!("{}: {error}", folder.display()));
        fs::create_dir(&folder).map_err(named)?;
        let group = Self { folder };
        fs::write(group.folder.join(file), weight)?;
        Ok(group)
    }

    /// Moves a process with all of its threads into this group.
    pub(crate) fn take(&self, pid: u32) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())
    }
}

/// Whether groups directly under `root` have weights. That the kernel gives groups none so far is left as it is: it would
/// change what the other programs of the machine get.
fn weighs(root: &Path, file: &str) -> bool {
    let given = fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
    root.join(file).exists()
        || given
            .split_whitespace()
            .any(|controller| controller == "cpu")
}

/// Removes what a harness left that was interrupted. Where processes are still in a group, that is refused.
fn sweep(root: &Path) {
    let names = fs::read_dir(root).into_iter().flatten();
    for entry in names.filter_map(Result::ok) {
        let name = entry.file_name();
        let harness = name.to_str().and_then(|name| {
            let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
            pid.parse::<u32>().ok()
        });
        let is_gone = |pid: u32| !Path::new(&format!("/proc/{pid}")).exists();
        if harness.is_some_and(is_gone) {
            let _refused = fs::remove_dir(entry.path());
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(BETWEEN),
                Err(error) => {
                    eprintln!("saturation: {} stays: {error}", self.folder.display());
                    return;
                }
                Ok(()) => return,
            }
        }
        eprintln!("saturation: {} stays: it is in use", self.folder.display());
    }
}
