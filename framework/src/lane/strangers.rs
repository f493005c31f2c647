//! Finds out whether other programs keep the cores that the lanes would use, and then has a lane run more jobs at a time.
//!
//! A kernel shares the cores out by threads. On a machine of its own a server has nothing from more busy threads than there
//! are cores. Beside programs that keep these busy, lanes of so few threads get less than the same handlers would get in
//! a pool that grows. So while others have a good part of the cores, the lanes have up to twice their slots.

use std::time::Duration;

use super::shared::Shared;
use crate::os::{self, CpuBudget};

/// The time between two looks. Long enough that ticks and bursts even out.
const EVERY: Duration = Duration::from_millis(500);
/// Others are there if so many looks in a row found them to have [`MUCH`], and gone after as many with only [`LITTLE`].
const LOOKS: u32 = 2;
/// So much of all cores. The clients of a load test on the same machine have less.
const MUCH: f64 = 0.4;
/// As [`MUCH`]. Lower, because a lane with more slots leaves others less.
const LITTLE: f64 = 0.12;

/// What the watch of a lane knows of who else is on the machine.
pub(crate) struct Strangers {
    /// `None` where more threads would only use up a quota sooner, where there are none, and where nothing is known.
    cores: Option<usize>,
    last: Option<Sight>,
    finding: Finding,
}

/// What had been used at one look.
#[derive(Clone, Copy)]
struct Sight {
    at: u64,
    /// The CPU time of the process.
    used: Duration,
    /// For how long the lane's threads had waited for a core, added up.
    waited: Duration,
}

impl Strangers {
    pub(crate) fn new(shared: &Shared) -> Self {
        let budget = CpuBudget::detect();
        let of_use = budget.quota().is_none() && shared.gate.room() > 0;
        Self {
            cores: of_use.then(|| budget.cores()),
            last: None,
            finding: Finding::default(),
        }
    }

    /// Looks now and then while the lane is at work.
    pub(crate) fn look(&mut self, shared: &Shared) {
        let (Some(cores), now) = (self.cores, shared.now()) else {
            return;
        };
        let since = |last: Sight| Duration::from_nanos(now.saturating_sub(last.at));
        let elapsed = self.last.map(since);
        if elapsed.is_some_and(|elapsed| elapsed < EVERY) {
            return;
        }
        let (Some(used), Some(waited)) = (os::own_time(), waited(shared)) else {
            self.cores = None; // The system does not tell, and will not.
            return;
        };
        let sight = Sight {
            at: now,
            used,
            waited,
        };
        let last = self.last.replace(sight);
        let (Some(last), Some(elapsed)) = (last, elapsed) else {
            return;
        };
        let per_second = |part: Duration| part.as_secs_f64() / elapsed.as_secs_f64();
        let taken = taken(
            cores as f64,
            per_second(used.saturating_sub(last.used)),
            per_second(waited.saturating_sub(last.waited)),
        );
        match self.finding.look(taken / cores as f64) {
            Some(Change::Came) => {
                widen(shared);
                tracing::info!(
                    target: "offload",
                    lane = shared.name,
                    "other programs keep {taken:.1} of {cores} cores busy; until they end, the lane runs up to {} jobs at a time",
                    shared.slots + shared.gate.room(),
                );
            }
            Some(Change::Left) => {
                narrow(shared);
                tracing::info!(
                    target: "offload",
                    lane = shared.name,
                    "no other program keeps the cores busy any more; the lane runs up to {} jobs at a time, as before",
                    shared.slots,
                );
            }
            None => {}
        }
    }

    /// The lane is at rest, and what is to be seen from here on is another matter.
    pub(crate) fn pause(&mut self) {
        self.last = None;
    }
}

/// How many cores others have had while the lane waited for one: what this process has not used, but no more than the lane
/// would have.
fn taken(cores: f64, used: f64, waited: f64) -> f64 {
    (cores - used).clamp(0.0, waited.max(0.0))
}

/// How long the lane's threads have waited for a core since they began, if the system tells.
fn waited(shared: &Shared) -> Option<Duration> {
    let lane_threads = shared.threads.iter().take(shared.gate.threads());
    lane_threads
        .map(|thread| thread.os.get().map_or(Some(Duration::ZERO), os::run_delay))
        .sum()
}

fn widen(shared: &Shared) {
    for _ in 0..shared.gate.room() {
        shared.provide(shared.gate.add_slot());
    }
}

fn narrow(shared: &Shared) {
    for _ in 0..shared.gate.room() {
        shared.gate.remove_slot();
    }
}

/// Whether others are there, by what they have had at the latest looks.
#[derive(Default)]
struct Finding {
    there: bool,
    /// How many looks in a row have said otherwise.
    against: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Came,
    Left,
}

impl Finding {
    /// Takes in that others have had such a part of the cores.
    fn look(&mut self, part: f64) -> Option<Change> {
        let otherwise = if self.there {
            part < LITTLE
        } else {
            part > MUCH
        };
        self.against = if otherwise { self.against + 1 } else { 0 };
        if self.against < LOOKS {
            return None;
        }
        self.against = 0;
        self.there = !self.there;
        Some(if self.there {
            Change::Came
        } else {
            Change::Left
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_the_lanes_did_not_want_nobody_has_taken() {
        assert_eq!(taken(2.0, 0.3, 0.0), 0.0, "an idle server");
        assert_eq!(taken(2.0, 2.0, 3.0), 0.0, "its threads wait for each other");
        assert_eq!(taken(2.0, 1.0, 2.5), 1.0, "one program that keeps a core");
        assert_eq!(taken(2.0, 2.1, 1.0), 0.0, "clocks are not exact");
    }

    #[test]
    fn one_look_decides_nothing() {
        let mut finding = Finding::default();
        assert_eq!(finding.look(0.5), None);
        assert_eq!(finding.look(0.1), None);
        assert_eq!(finding.look(0.5), None);
        assert_eq!(finding.look(0.5), Some(Change::Came));
        // More slots leave the others less, and they are still there.
        assert_eq!((0..9).find_map(|_| finding.look(0.15)), None);
        assert_eq!(finding.look(0.0), None);
        assert_eq!(finding.look(0.0), Some(Change::Left));
    }
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod beside_others {
    use std::{
        process::{Child, Command},
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        },
        thread,
        time::Instant,
    };

    use super::*;
    use crate::{Lanes, Terms};

    /// A program that keeps a core for as long as this lives.
    struct Busy(Child);

    impl Busy {
        fn start() -> Self {
            let program = Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn();
            Self(program.expect("a shell"))
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn until(what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(120), "{what}");
            thread::sleep(Duration::from_millis(5)); // A test that spins would be a stranger itself.
        }
    }

    #[test]
    fn beside_busy_programs_a_lane_runs_more_jobs_at_a_time() {
        if CpuBudget::detect().quota().is_some() {
            return; // More threads would only use it up sooner.
        }
        let endless = Duration::from_secs(3600);
        let cores = CpuBudget::detect().cores();
        let lanes = Lanes::builder()
            .threads(cores)
            .patience(endless..=endless)
            .build()
            .unwrap();
        let long = lanes.long_lane().shared();
        assert_eq!((long.slots, long.gate.room()), (cores, cores));
        let busy: Vec<Busy> = (0..2 * cores).map(|_| Busy::start()).collect();
        let (over, at_once) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let terms = Terms::new().cost(Duration::from_secs(1));
        for _ in 0..4 * cores {
            let (over, at_once) = (Arc::clone(&over), Arc::clone(&at_once));
            let job = move || {
                at_once.fetch_add(1, SeqCst);
                while !over.load(SeqCst) {}
            };
            lanes.submit(&terms, job).unwrap().detach();
        }
        until("more than the lane's slots are taken", || {
            at_once.load(SeqCst) == 2 * cores
        });
        drop(busy);
        over.store(true, SeqCst);
        until("all have run", || lanes.queued() + lanes.running() == 0);
        assert_eq!(at_once.load(SeqCst), 4 * cores);
    }
}
