//! Looks after a lane while its threads compute: jobs that outlive their class, and jobs that have waited too long.
//!
//! The cost of a job is only a prediction. One that was taken for a short one and runs for a second would hold up all the
//! short ones behind it, and at their priority. So in a lane of short jobs the watch lends its slot, sets its thread back,
//! and remembers the cost. Where nothing is known of a job it does so much sooner, because what is light and unknown as well may wait
//! behind it. And it sees that the long lane gets its part of the cores. In all lanes it tells those who have waited for longer than they are to, because no lane thread
//! may come by for seconds. It is one thread that wakes up every few milliseconds while the lane is at work, and sleeps for
//! good while it is not.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use super::{shared::Shared, sharing::Sharing, strangers::Strangers};
use crate::{nanos::nanos, os};

/// So many looks a quantum, which bounds how late an overdue job is noticed.
const LOOKS_A_QUANTUM: u32 = 4;
/// After so long a job of which nothing is known is overdue: what is light has ended by then.
const OF_UNKNOWN: Duration = Duration::from_micros(500);
/// At least so often it looks for those who have waited too long.
const LOOK_AT_WAITING: Duration = Duration::from_millis(25);
/// After so many looks at a lane at rest the watch sleeps for good.
const QUIET_LOOKS: u32 = 16;

/// Starts the watch's thread.
pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let lane = Arc::clone(shared);
    let handle = thread::Builder::new()
        .name(format!("{}-watch", shared.name))
        .stack_size(128 * 1024)
        .spawn(move || keep(&lane))?;
    shared.watch.attend(handle.thread().clone());
    Ok(())
}

fn keep(shared: &Shared) {
    let (mut quiet_looks, mut looked_at_waiting) = (0, shared.now());
    let mut sights = vec![Sight::default(); shared.gate.threads()];
    let mut sharing = Sharing::new(shared);
    let mut strangers = Strangers::new(shared);
    let mut awaited = vec![false; shared.gate.threads()];
    while !shared.watch.is_over() {
        if quiet_looks < QUIET_LOOKS {
            thread::park_timeout(every(shared));
        } else if shared.gate.withdrawn() == 0 && shared.watch.may_rest(|| shared.gate.is_at_work())
        {
            shared.waiting.rest();
            thread::park();
        }
        if !shared.watch.is_awake() {
            continue; // Unparked for nothing.
        }
        shared.waiting.look(shared.now());
        // Where all slots are withdrawn nothing may be at work though jobs wait.
        if shared.gate.is_at_work() || shared.gate.withdrawn() > 0 {
            quiet_looks = 0;
            look_at_called(shared, &mut awaited);
            if let Some(quantum) = shared.watch.quantum {
                look_at_running(quantum, shared, &mut sights);
                sharing.look(shared);
            }
            strangers.look(shared);
            if shared.now() - looked_at_waiting >= nanos(LOOK_AT_WAITING) {
                shared.expire_late();
                // Rayon has no way to wake a lane thread for a broadcast.
                shared.provide(shared.gate.send_on_errand(0));
                looked_at_waiting = shared.now();
            }
        } else {
            quiet_looks += 1;
            strangers.pause();
        }
    }
}

/// The time between two looks.
fn every(shared: &Shared) -> Duration {
    match shared.watch.quantum {
        Some(_) if shared.unknown.load(Ordering::Relaxed) > 0 => OF_UNKNOWN / 2,
        Some(quantum) => (quantum / LOOKS_A_QUANTUM).min(LOOK_AT_WAITING),
        None => LOOK_AT_WAITING,
    }
}

/// Calls others in place of those that were called before the last look and have not come.
fn look_at_called(shared: &Shared, awaited: &mut [bool]) {
    for (index, before) in awaited.iter_mut().enumerate() {
        let now = shared.gate.is_awaited(index);
        if now && *before {
            shared.provide(shared.gate.call_in_place_of(index));
        }
        *before = now;
    }
}

fn look_at_running(quantum: Duration, shared: &Shared, sights: &mut [Sight]) {
    let now = shared.now();
    for (index, sight) in sights.iter_mut().enumerate() {
        let Some(began) = shared.gate.began(index) else {
            continue;
        };
        let os = shared.threads[index].os.get();
        let used = os.and_then(os::cpu_time);
        if sight.began != began {
            *sight = Sight {
                began,
                used,
                set_back: false,
                remembered: Duration::ZERO,
            };
        }
        let in_time = if shared.is_unknown(index) {
            quantum.min(OF_UNKNOWN)
        } else {
            quantum
        };
        let latest = now.saturating_sub(nanos(in_time));
        if began > latest {
            continue;
        }
        if let Some(wanted) = shared.gate.mark_overdue(index, latest) {
            shared.provide(wanted);
        }
        // A thread that merely waits, or that the kernel has set aside, is stood in for, but it is not what is long.
        let computed = match (used, sight.used) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ => Duration::from_nanos(now - began),
        };
        if computed > in_time / 2 && !sight.set_back {
            shared.computes(index, began);
            sight.set_back = shared.set_back(index, began);
        }
        // On a busy machine it has computed little when it is first found overdue, and may still pass for a short one.
        if computed > quantum / 2 && computed >= sight.remembered.saturating_mul(2) {
            shared.remember(index, began, computed);
            sight.remembered = computed;
        }
    }
}

/// What the watch saw when it first saw a thread's present work.
#[derive(Clone, Copy, Default)]
struct Sight {
    /// When that work began.
    began: u64,
    /// The CPU time that the thread had used by then, if the system tells.
    used: Option<Duration>,
    /// Whether the thread was set back for it.
    set_back: bool,
    /// What was remembered last of what it costs.
    remembered: Duration,
}
