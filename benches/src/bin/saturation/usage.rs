//! What a server process uses, as the kernel accounts for it in `/proc`.

use std::{fs, io, time::Duration};

/// The unit of CPU times in `/proc/PID/stat`: `USER_HZ`, which is 100 on every common architecture.
const TICK: Duration = Duration::from_millis(10);

/// A look at a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Resident memory now, in MiB.
    pub(crate) resident: f64,
    /// The most resident memory so far, in MiB.
    pub(crate) peak: f64,
    /// Threads now.
    pub(crate) threads: f64,
    /// CPU time so far, of all threads.
    pub(crate) cpu: Duration,
}

impl Usage {
    /// Looks at process `pid` now.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&status, &stat)
            .ok_or_else(|| io::Error::other("the kernel's report cannot be read"))
    }

    fn parse(status: &str, stat: &str) -> Option<Self> {
        let field = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse::<f64>().ok()
        };
        // The program's name may hold spaces; what follows its closing bracket does not.
        let times = stat.rsplit_once(')')?.1;
        let ticks: u32 = times
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u32>().ok())
            .sum::<Option<u32>>()?;
        Some(Self {
            resident: field("VmRSS:")? / 1024.0,
            peak: field("VmHWM:")? / 1024.0,
            threads: field("Threads:")?,
            cpu: TICK * ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_the_kernel_is_understood() {
        let status = "Name:\tx\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\nThreads:\t7\n";
        let stat = "1 (a b) c) S 0 1 1 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 7 0";
        let usage = Usage::parse(status, stat).expect("parses");
        assert_eq!((usage.resident, usage.peak, usage.threads), (2.0, 4.0, 7.0));
        assert_eq!(usage.cpu, Duration::from_millis(420));
    }
}
