//! The address space of the process, where that is limited: how much is left, and some of it held back.

use std::io;

/// What is used of something, and how much may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) used: u64,
    pub(super) limit: u64,
}

impl Use {
    /// Whether no more than `more` can be had.
    pub(super) fn is_up(self, more: u64) -> bool {
        self.used.saturating_add(more) >= self.limit
    }

    pub(super) fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// What is used, in KiB, if there is a limit. Costs one system call if there is none.
pub(super) fn of_process() -> Option<Use> {
    system::of_process()
}

/// An error if there is no room for so much more, in KiB. Who allocates what is not there ends the process.
pub(crate) fn room_for(more: u64) -> io::Result<()> {
    match of_process().filter(|space| space.is_up(more)) {
        None => Ok(()),
        Some(space) => Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            format!("{}; raise that", in_words(space)),
        )),
    }
}

pub(super) fn in_words(Use { used, limit }: Use) -> String {
    let [used, limit] = [used, limit].map(|kib| kib / 1024);
    format!(
        "this process uses {used} of the {limit} MiB of address space that it may have (`ulimit -v`)"
    )
}

/// Takes so much, in KiB, until what it returns is dropped. It is no memory: nothing can be read there or written.
pub(super) fn hold_back(kib: u64) -> Option<HeldBack> {
    system::hold_back(kib)
}

pub(super) use system::HeldBack;

#[cfg(target_os = "linux")]
mod system {
    use std::{fs, ptr};

    use nix::{
        libc::{self, c_void},
        sys::resource::{RLIM_INFINITY, Resource, getrlimit},
    };

    use super::Use;

    pub(super) fn of_process() -> Option<Use> {
        let (soft, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
        if soft == RLIM_INFINITY {
            return None;
        }
        let status = fs::read_to_string("/proc/self/status").ok()?;
        Some(Use {
            used: super::number_after("VmSize:", &status)?,
            limit: soft / 1024,
        })
    }

    /// Some of the address space.
    #[derive(Debug)]
    pub(in super::super) struct HeldBack {
        start: usize,
        size: usize,
    }

    #[expect(unsafe_code, reason = "no safe binding maps what is no memory")]
    pub(super) fn hold_back(kib: u64) -> Option<HeldBack> {
        let size = usize::try_from(kib).ok()?.checked_mul(1024)?;
        // SAFETY: a new mapping at a place of the kernel's choice, which takes the place of no other and which nobody can
        // use for anything.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        (start != libc::MAP_FAILED).then(|| HeldBack {
            start: start.addr(),
            size,
        })
    }

    impl Drop for HeldBack {
        #[expect(unsafe_code, reason = "no safe binding has this call for it")]
        fn drop(&mut self) {
            // SAFETY: the mapping is ours alone, as long as it was made, and nobody has its address.
            unsafe {
                libc::munmap(ptr::without_provenance_mut::<c_void>(self.start), self.size);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Use;

    /// Not known.
    pub(super) fn of_process() -> Option<Use> {
        None
    }

    /// Nothing is held back where nothing is known.
    #[derive(Debug)]
    pub(in super::super) enum HeldBack {}

    pub(super) fn hold_back(_kib: u64) -> Option<HeldBack> {
        None
    }
}

/// The number in the line of a text that begins so.
#[cfg(any(target_os = "linux", test))]
fn number_after(word: &str, text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(word))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_its_line() {
        let status = "Name:\tVmSize: 1\nVmSize:\t  4711 kB\n";
        assert_eq!(number_after("VmSize:", status), Some(4711));
        assert_eq!(number_after("VmPeak:", status), None);
        assert_eq!(number_after("Name:", "Name:\n"), None);
    }

    #[test]
    fn what_is_left_is_told() {
        let space = Use {
            used: 70 * 1024,
            limit: 100 * 1024,
        };
        assert_eq!(space.left(), 30 * 1024);
        assert!(space.is_up(30 * 1024) && !space.is_up(29 * 1024));
        assert!(in_words(space).contains("70 of the 100 MiB"));
        assert!(room_for(0).is_ok());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_held_back_is_given_back() {
        let size = || {
            let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
            number_after("VmSize:", &status).expect("the kernel tells")
        };
        const MUCH: u64 = 64 << 20; // 64 GiB
        let held = hold_back(MUCH).expect("there is room");
        assert!(size() > MUCH);
        drop(held);
        assert!(size() < MUCH);
    }
}
