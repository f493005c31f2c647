//! Some of the process's address space, held back from all others where that is limited.

use std::io;

use super::limits;

/// An error if there is no room for so much more, in KiB. Who allocates what is not there ends the process.
pub(crate) fn room_for(more: u64) -> io::Result<()> {
    match limits::address_space().filter(|space| space.is_up(more)) {
        None => Ok(()),
        Some(space) => Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            format!("{space}; raise that"),
        )),
    }
}

pub(super) use system::{HeldBack, hold_back};

#[cfg(target_os = "linux")]
mod system {
    use std::ptr;

    use nix::libc::{self, c_void};

    /// Some of the address space.
    #[derive(Debug)]
    pub(in super::super) struct HeldBack {
        start: usize,
        size: usize,
    }

    /// Takes so much, in KiB, until what it returns is dropped. It is no memory: nothing can be read there or written.
    #[expect(unsafe_code, reason = "no safe binding maps what is no memory")]
    pub(in super::super) fn hold_back(kib: u64) -> Option<HeldBack> {
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
    /// Nothing is held back where nothing is known.
    #[derive(Debug)]
    pub(in super::super) enum HeldBack {}

    pub(in super::super) fn hold_back(_kib: u64) -> Option<HeldBack> {
        None
    }
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_is_given_back() {
        let size = || -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
            let mut lines = status.lines();
            let size = lines.find_map(|line| line.strip_prefix("VmSize:"));
            let size = size.and_then(|size| size.split_ascii_whitespace().next());
            size.expect("the kernel tells").parse().expect("a number")
        };
        assert!(room_for(0).is_ok());
        const MUCH: u64 = 64 << 20; // 64 GiB
        let held = hold_back(MUCH).expect("there is room");
        assert!(size() > MUCH);
        drop(held);
        assert!(size() < MUCH);
    }
}
