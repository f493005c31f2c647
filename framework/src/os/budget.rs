//! One CPU budget for event loops and lanes, so that together they use the machine and don't get a container stopped.

use std::thread::available_parallelism;

/// What this process may use of the machine's CPUs, and how many threads of which kind follow from that.
///
/// Two things limit it: the logical cores that it may run on (the machine's, less what its affinity or cpuset excludes) and,
/// on Linux, the CPU *quota* of its control group or of one above it, which is how a container's CPU limit is enforced.
///
/// Cores may well be given out twice, to the loops and to the lanes: lanes run at a lower priority, so they take what the
/// loops leave. Not so a quota. When it is used up, the kernel stops *all* threads of the group for the rest of the period of
/// usually 100 ms, whatever their priority, the event loops too. So with a quota one CPU's worth of it is kept free of
/// lane threads.
///
/// # Examples
///
/// ```
/// use offload_core::CpuBudget;
///
/// let budget = CpuBudget::detect();
/// println!("{} event loops, {} lane threads", budget.loops(), budget.lane_threads());
/// assert!(budget.loops() >= 1 && budget.lane_threads() >= 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuBudget {
    cores: usize,
    quota: Option<f64>,
}

impl CpuBudget {
    /// Reads what the system says about this process and the calling thread.
    ///
    /// What can't be read limits nothing. Nothing is kept: limits can change while a process runs, so a later call may
    /// say something else.
    #[must_use]
    pub fn detect() -> Self {
        let (allowed, quota) = system::limits();
        let cores = allowed.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
        Self::of(cores, quota)
    }

    /// So many logical cores, and a quota in CPUs. One that all cores together can't use up is none.
    fn of(cores: usize, quota: Option<f64>) -> Self {
        let cores = cores.max(1);
        Self {
            cores,
            quota: quota.filter(|quota| *quota < cores as f64),
        }
    }

    /// The logical cores that this process may run on, at least 1, whatever the quota says.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// The quota in CPUs, so 1.5 is 150 ms of CPU time each 100 ms. `None` if none is tighter than the number of cores.
    #[must_use]
    pub fn quota(&self) -> Option<f64> {
        self.quota
    }

    /// The number of event loops: one per logical core, or per whole CPU of the quota, at least 1.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.whole_cpus().max(1)
    }

    /// The number of lane threads that should be at work at a time.
    ///
    /// Without a quota that is one per logical core, for each lane: the kernel shares the cores out by priority. With one it is
    /// a CPU's worth less than the quota, at least 1, for *all* lanes together.
    ///
    /// So with a quota below 2 CPUs, or below the number of lanes and one, lanes can use up so much of it that the event
    /// loops are stopped now and then, which nothing but a higher quota can exclude. Measured with a quota of 1.5 CPUs on 2 cores
    /// and a thread that woke up each 2 ms: 1 busy lane thread, no period of 80 was cut short and the p99 of its lateness
    /// was 0.15 ms; 2 of them, all 80 were and it was 26 ms, also if they were [`Idle`](crate::Priority::Idle).
    #[must_use]
    pub fn lane_threads(&self) -> usize {
        match self.quota {
            None => self.cores,
            Some(_) => self.whole_cpus().saturating_sub(1).max(1),
        }
    }

    fn whole_cpus(&self) -> usize {
        // A quota is positive and below the number of cores.
        self.quota.map_or(self.cores, |quota| quota as usize)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    use crate::os::{allowed, quota};

    /// The logical cores allowed, and the quota.
    pub(super) fn limits() -> (Option<usize>, Option<f64>) {
        let status = fs::read_to_string("/proc/thread-self/status").ok();
        let cores = status.and_then(|status| allowed::cores(&status));
        (cores, quota::tightest(|path| fs::read_to_string(path).ok()))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    /// Neither is known.
    pub(super) fn limits() -> (Option<usize>, Option<f64>) {
        (None, None)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn threads_follow_from_cores_and_quota() {
        for (cores, quota, loops, lane_threads) in [
            (1, None, 1, 1),
            (2, None, 2, 2),
            (64, None, 64, 64),
            (0, None, 1, 1),
            // As much as there are cores, or more: that can't be used up.
            (2, Some(2.0), 2, 2),
            (2, Some(8.0), 2, 2),
            // Less than the cores.
            (2, Some(1.5), 1, 1),
            (1, Some(0.5), 1, 1),
            (8, Some(0.1), 1, 1),
            (8, Some(2.0), 2, 1),
            (8, Some(2.9), 2, 1),
            (8, Some(4.0), 4, 3),
            (64, Some(63.5), 63, 62),
        ] {
            let budget = CpuBudget::of(cores, quota);
            let threads = (budget.loops(), budget.lane_threads());
            assert_eq!(threads, (loops, lane_threads), "{cores} cores, {quota:?}");
        }
    }

    #[test]
    fn a_quota_leaves_the_loops_one_cpu_unless_it_is_below_two() {
        for tenths in 1..640_u32 {
            let quota = f64::from(tenths) / 10.0;
            let budget = CpuBudget::of(64, Some(quota));
            if quota >= 2.0 {
                let left = quota - budget.lane_threads() as f64;
                assert!(left >= 1.0, "{quota} leaves {left}");
            } else {
                assert_eq!(budget.lane_threads(), 1);
            }
        }
    }

    #[test]
    fn what_is_detected_here_is_within_what_std_and_the_machine_say() {
        let budget = CpuBudget::detect();
        assert!(budget.loops() <= budget.cores());
        assert!(budget.lane_threads() <= budget.cores());
        let parallelism = available_parallelism().map_or(1, usize::from);
        assert!(budget.cores() >= parallelism, "{budget:?}, {parallelism}");
    }
}
