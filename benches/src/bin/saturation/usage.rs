//! What a server process uses, as the kernel accounts for it in `/proc`.

use std::{fs, io, time::Duration};

/// The unit of CPU times in `/proc/PID/stat`: `USER_HZ`, which is 100 on every common architecture.
const TICK_MS: u64 = 10;

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
    /// Looks at process `pid` with the processes that it has started; None if it has died and only waits to be reaped.
    ///
    /// What several processes share counts for each, and their peaks need not have been at the same time.
    pub(crate) fn of_family(pid: u32) -> io::Result<Option<Self>> {
        let Some(mut sum) = Self::of(pid)? else {
            return Ok(None);
        };
        for child in children(pid) {
            // One that has ended meanwhile uses nothing.
            if let Ok(Some(usage)) = Self::of_family(child) {
                sum.resident += usage.resident;
                sum.peak += usage.peak;
                sum.threads += usage.threads;
                sum.cpu += usage.cpu;
            }
        }
        Ok(Some(sum))
    }

    fn of(pid: u32) -> io::Result<Option<Self>> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        if has_no_memory(&status) {
            return Ok(None);
        }
        Self::parse(&status, &stat)
            .map(Some)
            .ok_or_else(|| io::Error::other("the kernel's report cannot be read"))
    }

    fn parse(status: &str, stat: &str) -> Option<Self> {
        let field = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse::<f64>().ok()
        };
        // The program's name may hold spaces; what follows its closing bracket does not.
        let times = stat.rsplit_once(')')?.1;
        Some(Self {
            resident: field("VmRSS:")? / 1024.0,
            peak: field("VmHWM:")? / 1024.0,
            threads: field("Threads:")?,
            cpu: ticks(times.split_whitespace().skip(11).take(2))?,
        })
    }
}

/// The processes that `pid` has started and that still run, as far as the kernel tells.
fn children(pid: u32) -> Vec<u32> {
    let children = |task: io::Result<fs::DirEntry>| {
        let list = fs::read_to_string(task.ok()?.path().join("children")).ok()?;
        let pids = list.split_whitespace().map(str::parse);
        Some(pids.filter_map(Result::ok).collect::<Vec<u32>>())
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .filter_map(children)
        .flatten()
        .collect()
}

/// Whether the report is that of a process which is dying or dead: its memory goes first.
fn has_no_memory(status: &str) -> bool {
    !status.lines().any(|line| line.starts_with("VmRSS:"))
}

/// CPU time so far of this process with the processes it has waited for, and of the whole machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    ours: Duration,
    all: Duration,
}

impl Machine {
    /// Looks now.
    pub(crate) fn now() -> io::Result<Self> {
        let ours = fs::read_to_string("/proc/self/stat")?;
        let all = fs::read_to_string("/proc/stat")?;
        Self::parse(&ours, &all)
            .ok_or_else(|| io::Error::other("the kernel's report cannot be read"))
    }

    /// CPU time since `before` that neither this process nor the processes it has waited for used.
    pub(crate) fn others_since(self, before: Self) -> Duration {
        (self.all - before.all).saturating_sub(self.ours - before.ours)
    }

    fn parse(ours: &str, all: &str) -> Option<Self> {
        let times = ours.rsplit_once(')')?.1;
        // Of its own and of its children: user and system time each.
        let ours = ticks(times.split_whitespace().skip(11).take(4))?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user and nice.
        let all = all.lines().next()?.split_whitespace().skip(1).take(8);
        let busy = all
            .enumerate()
            .filter(|(at, _)| !matches!(at, 3 | 4))
            .map(|(_, ticks)| ticks);
        Some(Self {
            ours,
            all: ticks(busy)?,
        })
    }
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Duration> {
    let ticks: u64 = fields
        .map(|field| field.parse::<u64>().ok())
        .sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * TICK_MS))
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

    #[test]
    fn who_has_died_uses_nothing_any_more() {
        assert!(has_no_memory("Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n"));
        assert!(!has_no_memory(
            "Name:\tx\nState:\tR (running)\nVmRSS:\t9 kB\n"
        ));
    }

    #[test]
    fn what_others_used_is_what_is_left() {
        let machine = |user: u32, ours: u32| {
            let all = format!("cpu  {user} 1 2 9999 8888 3 4 5 0 0\ncpu0 1 1\n");
            let stat = format!("1 (x) S 0 1 1 0 -1 0 0 0 0 0 {ours} 1 2 3 20 0");
            Machine::parse(&stat, &all).expect("parses")
        };
        let others = machine(300, 60).others_since(machine(100, 10));
        assert_eq!(others, Duration::from_millis(1_500));
    }
}
