//! Gives the long lane its part of the cores, by the slots of the short one, as its watch looks at both.

use std::{sync::Weak, time::Duration};

use super::engine::{Engine, Shared};
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
            short: vec![Duration::ZERO; shared.gate.threads()],
            long: None,
        }
    }

    /// Looks at what both lanes have used since the last look, and withdraws a slot of the short one or restores one.
    pub(crate) fn look(&mut self, shared: &Shared, engine: &Weak<Engine>) {
        let long = shared.longer.get().and_then(|longer| longer.lane.upgrade());
        let long = long.filter(|long| long.shared.book().has_work());
        let Some(long) = long else {
            return self.settle(shared, engine);
        };
        // Where the system does not tell, all threads are equals, and nobody is left with crumbs.
        let Some(used_long) = cpu_time(&long.shared) else {
            return self.settle(shared, engine);
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
            if shared.gate.is_overdue(index) {
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
            long: long.shared.book().weights(),
        };
        match self.balance.look(used, weights) {
            Slots::Fewer => shared.gate.withdraw_slot(),
            Slots::AsMany => {}
            Slots::More => restore_one(shared, engine),
        }
    }

    /// There is nothing to share.
    fn settle(&mut self, shared: &Shared, engine: &Weak<Engine>) {
        self.balance.settle();
        self.long = None;
        while shared.gate.withdrawn() > 0 {
            restore_one(shared, engine);
        }
    }
}

fn restore_one(shared: &Shared, engine: &Weak<Engine>) {
    let wanted = shared.gate.restore_slot();
    if let Some(engine) = engine.upgrade() {
        engine.provide(wanted);
    }
}

/// What all threads of a lane have used since they began, if the system tells.
fn cpu_time(shared: &Shared) -> Option<Duration> {
    let threads = shared.threads.iter();
    threads
        .map(|thread| thread.os.get().and_then(os::cpu_time))
        .sum()
}
