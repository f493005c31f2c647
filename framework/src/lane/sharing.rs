//! Gives the long lane its part of the cores, by the slots of the short one, as its watch looks at both.

use std::time::Duration;

use super::shared::Shared;
use crate::{
    admission::{Balance, Slots, Used, Weights},
    os,
};

/// What the watch of a short lane knows of how the cores are shared.
pub(crate) struct Sharing {
    balance: Balance,
    /// What each of the short lane's threads had used at the last look.
    short: Vec<Duration>,
    /// What the long lane's threads had used then; `None` if the past is settled.
    long: Option<Duration>,
}

impl Sharing {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            balance: Balance::new(shared.slots),
            short: vec![Duration::ZERO; shared.threads.len()],
            long: None,
        }
    }

    /// Looks at what both lanes have used since the last look, and withdraws a slot of the short one or restores one.
    pub(crate) fn look(&mut self, shared: &Shared) {
        let long = shared.longer.get().and_then(|longer| longer.lane.upgrade());
        let long = long.filter(|long| long.book().has_work());
        let Some(long) = long else {
            return self.settle(shared);
        };
        // Where the system does not tell, all threads are equals, and nobody is left with crumbs.
        let Some(used_long) = cpu_time(&long) else {
            return self.settle(shared);
        };
        let before = self.long.replace(used_long);
        let mut used = Used {
            short: Duration::ZERO,
            long: used_long.saturating_sub(before.unwrap_or(used_long)),
        };
        for (index, last) in self.short.iter_mut().enumerate() {
            let Some(now) = shared.threads[index].os.get().and_then(os::cpu_time) else {
                continue;
            };
            let since = now.saturating_sub(std::mem::replace(last, now));
            // What turned out to be long is so here as well.
            if index < shared.gate.threads() && shared.gate.is_overdue(index) {
                used.long += since;
            } else {
                used.short += since;
            }
        }
        if before.is_none() {
            return;
        }
        let weights = Weights {
            short: shared.book().weights(),
            long: long.book().weights(),
        };
        match self.balance.look(used, weights) {
            // One whose jobs all sleep or wait for something is behind because it does not want the cores.
            Slots::Fewer if wants_cores(&long) => shared.gate.withdraw_slot(),
            Slots::Fewer => self.settle(shared),
            Slots::AsMany => {}
            Slots::More => restore_one(shared),
        }
    }

    /// There is nothing to share.
    fn settle(&mut self, shared: &Shared) {
        self.balance.settle();
        self.long = None;
        while shared.gate.withdrawn() > 0 {
            restore_one(shared);
        }
    }
}

fn restore_one(shared: &Shared) {
    shared.provide(shared.gate.restore_slot());
}

/// Whether any of a lane's jobs computes, or would if it got a core.
fn wants_cores(shared: &Shared) -> bool {
    let threads = (0..shared.gate.threads()).filter(|index| shared.gate.began(*index).is_some());
    let mut threads = threads.filter_map(|index| shared.threads[index].os.get());
    threads.any(|thread| os::is_waiting(thread) != Some(true))
}

/// What all threads of a lane have used since they began, if the system tells.
fn cpu_time(shared: &Shared) -> Option<Duration> {
    let threads = shared.threads.iter();
    threads
        .map(|thread| thread.os.get().and_then(os::cpu_time))
        .sum()
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::SeqCst},
        },
        thread,
        time::Instant,
    };

    use super::*;
    use crate::{
        Lanes, Priority, Terms,
        admission::{Flow, Rank, Weight},
    };

    fn until(what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(120), "{what}");
            thread::yield_now();
        }
    }

    fn terms(weight: u16, cost: Duration) -> Terms {
        let weight = Weight::new(weight).expect("an allowed weight");
        let flow = Flow::new(weight, Rank::Normal);
        Terms::new().flow(&flow).cost(cost)
    }

    /// Jobs of the long lane that block keep its slots, and have no use for the cores that the short lane would give up.
    #[test]
    fn a_long_lane_whose_jobs_wait_takes_nothing_from_the_short_one() {
        let endless = Duration::from_secs(3600);
        let lanes = Lanes::builder()
            .threads(1)
            .spare_threads(0)
            .patience(endless..=endless)
            .build()
            .unwrap();
        let gate = &lanes.short_lane().shared().gate;
        let (short, long) = (
            terms(1, Duration::from_millis(1)),
            terms(1000, Duration::from_secs(1)),
        );
        let (open, opened) = std::sync::mpsc::channel::<()>();
        lanes
            .submit(&long, move || {
                let _over = opened.recv();
            })
            .unwrap()
            .detach();
        // Longer than it takes to withdraw the slot below, where the long lane computes.
        let rounds = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        until("the short lane has done its work", || {
            assert_eq!(gate.withdrawn(), 0);
            if lanes.short().queued < 10 {
                let rounds = Arc::clone(&rounds);
                let short_job = move || {
                    let end = Instant::now() + Duration::from_millis(1);
                    while Instant::now() < end {}
                    rounds.fetch_add(1, SeqCst);
                };
                lanes.submit(&short, short_job).unwrap().detach();
            }
            rounds.load(SeqCst) >= 1000
        });
        drop(open);
        until("all is as before", || lanes.queued() + lanes.running() == 0);
    }

    #[test]
    fn the_short_lane_gives_up_its_slots_while_the_long_one_is_behind_and_no_longer() {
        let endless = Duration::from_secs(3600);
        let lanes = Lanes::builder()
            .threads(1)
            .spare_threads(0)
            .priorities(Priority::Normal, Priority::Normal)
            .patience(endless..=endless)
            .build()
            .unwrap();
        let gate = &lanes.short_lane().shared().gate;
        let (short, long) = (
            terms(1, Duration::from_millis(1)),
            terms(1000, Duration::from_secs(1)),
        );
        let over = Arc::new(AtomicBool::new(false));
        // One that runs and one that waits, whose weight makes all but a thousandth the long lane's part.
        for _ in 0..2 {
            let over = Arc::clone(&over);
            let long_job = move || while !over.load(SeqCst) {};
            lanes.submit(&long, long_job).unwrap().detach();
        }
        until("a slot is withdrawn", || {
            if lanes.short().queued < 10 {
                let short_job = || {
                    let end = Instant::now() + Duration::from_millis(1);
                    while Instant::now() < end {}
                };
                lanes.submit(&short, short_job).unwrap().detach();
            }
            gate.withdrawn() == 1
        });
        over.store(true, SeqCst);
        until("all is as before", || {
            gate.withdrawn() == 0 && lanes.queued() + lanes.running() == 0
        });
        let stats = lanes.stats();
        assert_eq!(stats.finished, stats.submitted);
    }
}
