//! The words for how a lane's threads stand to the rest of the process.

use std::{fmt, time::Duration};

/// How the threads of a lane stand to all other threads of the process, the event loops above all.
///
/// The default is an equal share in long turns ([`Slice`](Self::Slice)): a waking event loop has short ones and comes first,
/// and beside other programs a lane gets what is its due. A lower priority protects the event loops a little more while the
/// machine is the server's alone, and hands the lanes' work over to whoever else computes there.
///
/// # Platforms
///
/// Linux knows all of it, and no setting needs a privilege. On every other platform each priority is
/// [`Normal`](Self::Normal) for now: lanes work, and compete with the event loops as equals.
///
/// Where the system refuses a setting, as a container's system call filter may, that is logged once as a warning with the
/// target `offload`, and the lane works without.
///
/// # Examples
///
/// ```
/// use offload_core::{Nice, Priority};
///
/// let short = Priority::short_jobs();
/// let lower = Priority::Batch { nice: Nice::MAX };
/// assert_ne!(short, lower);
/// assert_eq!(Priority::default(), Priority::Normal);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// As the thread that makes the lane: nothing is changed.
    #[default]
    Normal,
    /// The share of any other thread, in turns of this length, from 0.1 to 100 ms.
    ///
    /// A thread that wakes with shorter turns comes first, so that long turns cost an event loop hardly anything, and a lane
    /// has what is its due also beside other programs. Threads and processes that are started on such a thread have the
    /// usual turns. Linux: the slice of `SCHED_OTHER`, which 6.12 and later honour.
    Slice(Duration),
    /// Below the event loops, with a share of its own.
    ///
    /// Linux: `SCHED_BATCH`, nicer than the process by so many steps, and with a slice of 1 ms, which Linux 6.12 and later
    /// honour: ten times an event loop's, which comes first when both are owed time.
    Batch {
        /// How far below.
        nice: Nice,
    },
    /// Below all others: only what nobody else wants. Linux: `SCHED_IDLE`.
    Idle,
}

impl Priority {
    /// What the lane for short jobs has by default: turns of 1 ms, ten times an event loop's.
    ///
    /// With longer ones an event loop that has used up its own turn waits for longer: light p99 beside jobs of 5 and 500 ms on
    /// 2 cores was 0.5 ms with turns of 1 and 10 ms for the two lanes, 0.9 ms with 10 and 30, 1.4 ms with 100 and 100, while
    /// the jobs were no later with any of them.
    #[must_use]
    pub const fn short_jobs() -> Self {
        Self::Slice(Duration::from_millis(1))
    }

    /// What the lane for long jobs has by default: turns of 10 ms, so that a short job that comes is first.
    #[must_use]
    pub const fn long_jobs() -> Self {
        Self::Slice(Duration::from_millis(10))
    }

    /// [`Batch`](Self::Batch) by 10 steps, for a lane that is to stay below everything else on the machine.
    ///
    /// Such a thread competes with an event loop for a core at about 1 : 9.
    #[must_use]
    pub const fn background() -> Self {
        Self::Batch { nice: Nice(10) }
    }
}

/// So many steps below the rest of the process, from 1 to 19.
///
/// Each step leaves a thread about four fifths of the CPU time against a competitor. The steps count from the niceness that
/// the process was started with, and end at the system's lowest, 19.
///
/// # Examples
///
/// ```
/// use offload_core::Nice;
///
/// assert_eq!(Nice::new(19), Some(Nice::MAX));
/// assert_eq!(Nice::new(10).map(Nice::steps), Some(10));
/// assert_eq!(Nice::new(0), None, "that would be no step at all");
/// assert_eq!(Nice::new(20), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nice(u8);

impl Nice {
    /// One step.
    pub const MIN: Self = Self(1);
    /// As far as the system goes.
    pub const MAX: Self = Self(19);

    /// So many steps, or `None` outside of 1 to 19.
    #[must_use]
    pub const fn new(steps: u8) -> Option<Self> {
        if steps >= Self::MIN.0 && steps <= Self::MAX.0 {
            Some(Self(steps))
        } else {
            None
        }
    }

    /// The number of steps, from 1 to 19.
    #[must_use]
    pub const fn steps(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Nice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
