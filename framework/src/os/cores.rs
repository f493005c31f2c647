//! Spreads the jobs of a lane over the cores, where the kernel would leave two of them on one.
//!
//! While the long lane keeps every core busy, Linux takes the machine for overloaded and looks for no better core when it
//! wakes a thread of the short lane, though a core that runs nothing but idle-class work would be as good as a free one.
//! So two short jobs may share a core for all of their time. A thread that begins one says on which core it is; one that
//! finds its core taken steps over to one that is not, and is free again to be moved by the kernel.

use std::sync::atomic::{AtomicBool, Ordering};

use super::system;

/// Which cores the running jobs of a lane began on.
#[derive(Debug)]
pub(crate) struct Cores {
    taken: Box<[AtomicBool]>,
}

impl Cores {
    /// For all cores that this process may use now; of others nothing is known.
    pub(crate) fn new() -> Self {
        let last = system::Allowed::now().and_then(|allowed| allowed.last());
        let count = last.map_or(0, |last| last + 1);
        Self {
            taken: (0..count).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Finds the calling thread a core that no other holds, for as long as what this returns lives.
    ///
    /// Costs some nanoseconds where the core at hand is free, and a move of the thread otherwise, some tens of microseconds.
    /// If all are taken it stays where it is.
    pub(crate) fn claim(&self) -> Claim<'_> {
        let here = system::current_core().and_then(|core| self.taken.get(core));
        let Some(here) = here else {
            return Claim(None);
        };
        if !here.swap(true, Ordering::Relaxed) {
            return Claim(Some(here));
        }
        let Some(allowed) = system::Allowed::now() else {
            return Claim(None);
        };
        let free =
            self.taken.iter().enumerate().find(|(core, taken)| {
                allowed.contains(*core) && !taken.swap(true, Ordering::Relaxed)
            });
        let Some((core, taken)) = free else {
            return Claim(None);
        };
        if allowed.step_over(core) {
            return Claim(Some(taken));
        }
        // Where one move is refused all are.
        taken.store(false, Ordering::Relaxed);
        Claim(None)
    }
}

/// A core that the calling thread holds.
#[derive(Debug)]
#[must_use = "the core is given back when this is dropped"]
pub(crate) struct Claim<'a>(Option<&'a AtomicBool>);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.0 {
            taken.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use nix::{
        sched::{CpuSet, sched_getaffinity},
        unistd::Pid,
    };

    use super::*;

    fn allowed() -> CpuSet {
        sched_getaffinity(Pid::from_raw(0)).expect("the kernel says so")
    }

    #[test]
    fn whoever_finds_its_core_taken_steps_over_to_another() {
        let cores = Cores::new();
        let before = allowed();
        let count = (0..CpuSet::count())
            .filter(|core| before.is_set(*core) == Ok(true))
            .count();
        // All on one thread: where it is after a claim was taken by the claims before.
        let claims: Vec<_> = (0..count).map(|_| cores.claim()).collect();
        let held = claims.iter().filter(|claim| claim.0.is_some()).count();
        // The kernel may move this thread onto a core that is taken, and then it steps over again.
        assert_eq!(held, count);
        assert_eq!(allowed(), before, "it may go everywhere as before");
        assert!(cores.claim().0.is_none(), "all are taken");
        drop(claims);
        assert!(cores.claim().0.is_some());
    }

    #[test]
    fn where_the_move_is_refused_the_thread_stays_and_the_core_is_free_again() {
        let before = allowed();
        let now = system::Allowed::now().expect("the kernel says so");
        let (missing, none) = (CpuSet::count() - 1, CpuSet::count());
        assert!(!now.contains(missing) && !now.contains(none));
        assert!(!now.step_over(missing));
        assert!(!now.step_over(none));
        assert_eq!(allowed(), before);
    }
}
