//! Whether a control group limits the CPU time of this process, and to how many CPUs' worth.
//!
//! Pure but for the reader that it is handed: each group that the process is in, up to the topmost visible one, may have a
//! quota. The tightest one counts.

use std::path::Path;

use super::groups::{self, Group, Version};

/// The tightest quota, in CPUs: 1.5 is 150 ms of CPU time each 100 ms. `None` if nothing limits it as far as can be seen.
pub(super) fn tightest(read: impl Fn(&Path) -> Option<String>) -> Option<f64> {
    groups::of_process("cpu", &read)?
        .iter()
        .filter_map(|group| group.quota(&read))
        .min_by(f64::total_cmp)
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

#[cfg(all(test, not(loom)))]
#[path = "quota_tests.rs"]
mod tests;
