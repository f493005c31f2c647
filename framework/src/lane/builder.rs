//! The settings of a lane, checked as a whole when it is built.

use std::{
    fmt,
    future::Future,
    io,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize},
    },
    thread,
    time::{Duration, Instant},
};

use rayon::ThreadPoolBuilder;

use super::{
    Lane,
    account::Books,
    engine::{Around, Engine, LaneThreadState, Shared},
    gate::Gate,
    park::{Park, ParkBuilder},
    resident::{Place, ResidentBuilder},
    shelf::Shelf,
    waiting::WaitingClock,
    watch::Watch,
};
use crate::{
    admission::{Backlog, Flow},
    cost::CostMemo,
    os::{NoThreads, Priority},
    quiet,
};

const MOST_THREADS: usize = 4096;
const MOST_QUEUED: usize = 1 << 20;
const LEAST_STACK: usize = 64 * 1024;
const MOST_STACK: usize = 1 << 32;

/// Room for tombstones: this many times the bound.
const ROOM_FACTOR: usize = 4;
const LEAST_ROOM: usize = 1024;

/// Settings of a [`Lane`]; see [`Lane::builder`].
///
/// | setting | default | allowed |
/// | --- | --- | --- |
/// | [`name`](Self::name) | `lane` | not empty, without NUL |
/// | [`threads`](Self::threads) | one per logical core that this process may use | 1 to 4,096 |
/// | [`queue_bound`](Self::queue_bound) | 1,024 jobs | 1 to 1,048,576 |
/// | [`stack_size`](Self::stack_size) | the standard library's | 64 KiB to 4 GiB |
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct LaneBuilder {
    name: String,
    threads: Option<usize>,
    queue_bound: usize,
    stack_size: Option<usize>,
    around: Option<Arc<Around>>,
    local: Option<Arc<ResidentBuilder>>,
    park: Option<Arc<ParkBuilder>>,
    priority: Priority,
    pub(super) family: Option<Family>,
}

/// What a lane shares with the other lanes between which its jobs can move.
#[derive(Clone)]
pub(crate) struct Family {
    pub(crate) books: Books,
    pub(crate) index: u8,
    /// Threads beyond those that run jobs, to which the slots of overdue jobs are lent.
    pub(crate) spares: usize,
    /// After this long a job is overdue.
    pub(crate) quantum: Option<Duration>,
    pub(crate) memo: Arc<CostMemo>,
    pub(crate) epoch: Instant,
}

impl LaneBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: "lane".to_owned(),
            threads: None,
            queue_bound: 1024,
            stack_size: None,
            around: None,
            local: None,
            park: None,
            priority: Priority::default(),
            family: None,
        }
    }

    /// The lane's name. Its threads are called `{name}-{index}`; Linux shows the first 15 bytes of that.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many threads the lane has.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many jobs may wait. Jobs that have begun don't count, so a lane takes up to `threads` more than this.
    ///
    /// A removed job leaves a small tombstone in the queue until a lane thread passes by, or until those who submit find
    /// them too many. A lane all of whose jobs come without a flow takes the whole bound; where there are several flows,
    /// one gets a further place only while it has less than eight times as many as are still free.
    pub fn queue_bound(mut self, jobs: usize) -> Self {
        self.queue_bound = jobs;
        self
    }

    /// The stack size of each thread, in bytes.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Gives each thread one future of its own for its whole life, which need not be `Send`.
    ///
    /// `build` is called with the thread's index on each thread as it starts. The future is polled there whenever it was
    /// woken, between jobs, by turns with them; it never runs inside a job, not even while a job waits in a
    /// `rayon::join`. It is dropped when it is ready, or on its thread when the lane ends. This is how an adapter
    /// gives each lane thread a small event loop.
    ///
    /// A panic in it is logged and counted ([`LaneStats::resident_panics`](crate::LaneStats::resident_panics)), and
    /// the future is polled again when it is woken next, and once more in any case.
    pub fn local(
        mut self,
        build: impl Fn(usize) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync + 'static,
    ) -> Self {
        self.local = Some(Arc::new(Box::new(build)));
        self
    }

    /// Gives each thread a way to sleep of its own, which serves timers and sockets meanwhile; see [`Park`].
    ///
    /// `build` is called with the thread's index on each thread as it starts, before [`local`](Self::local)'s. Default:
    /// [`std::thread::park`].
    pub fn park(mut self, build: impl Fn(usize) -> Box<dyn Park> + Send + Sync + 'static) -> Self {
        self.park = Some(Arc::new(Box::new(build)));
        self
    }

    /// Wraps each piece of work on the lane's threads: each closure, each poll of a task, and building, polling and
    /// dropping the [`local`](Self::local) future.
    ///
    /// `around` must call its argument once; a job whose `around` does not is canceled. This is how an adapter enters
    /// the context of an async runtime.
    pub fn around(mut self, around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) -> Self {
        self.around = Some(Arc::new(Box::new(around)));
        self
    }

    /// How the lane's threads stand to all others on the machine. Default: like any other thread.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    pub(crate) fn in_family(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] that names the setting whose value is not allowed, or says that the operating system gave
    /// no thread.
    pub fn build(self) -> Result<Lane, BuildError> {
        let threads = match self.threads {
            Some(threads) => within("threads", threads, 1, MOST_THREADS)?,
            None => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        };
        let bound = within("queue_bound", self.queue_bound, 1, MOST_QUEUED)?;
        if self.name.is_empty() || self.name.contains('\0') {
            return Err(BuildError::setting("name", "must be a text without NUL"));
        }
        let family = self.family.unwrap_or_else(|| Family::alone(threads));
        let lane_threads = threads + family.spares;
        let all_threads = lane_threads + helpers(threads);
        let mut pool = ThreadPoolBuilder::new().num_threads(all_threads);
        if let Some(bytes) = self.stack_size {
            pool = pool.stack_size(within("stack_size", bytes, LEAST_STACK, MOST_STACK)?);
        }
        let room = bound.saturating_mul(ROOM_FACTOR).max(LEAST_ROOM);
        let states = std::iter::repeat_with(LaneThreadState::default);
        let shared = Arc::new(Shared {
            name: self.name.clone(),
            gate: Gate::new(room, threads, lane_threads, Shelf::new()),
            ledger: Arc::default(),
            around: self.around,
            local: self.local,
            park: self.park,
            bound,
            slots: threads,
            flow: Flow::unnamed(),
            books: family.books,
            index: family.index,
            watch: Watch::new(family.quantum),
            memo: family.memo,
            priority: self.priority,
            threads: states.take(all_threads).collect(),
            longer: OnceLock::new(),
            unknown: AtomicUsize::new(0),
            waiting: WaitingClock::default(),
            closed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            epoch: family.epoch,
        });
        let name = self.name;
        let place = Arc::clone(&shared);
        let pool = pool
            .thread_name(move |index| format!("{name}-{index}"))
            // Whatever a job gives to rayon behind our back, such as `rayon::spawn`, must not abort the process either.
            .panic_handler(|payload| quiet::report("a rayon job on a lane", payload))
            .start_handler(move |index| Place::take_up(&place, index))
            .exit_handler(|_| Place::give_up())
            .build()
            // Rayon keeps what the system said to itself, but with these settings it can only be that.
            .map_err(|_| BuildError::threads(io::ErrorKind::WouldBlock.into()))?;
        Engine::start(shared, pool)
            .map(Lane::over)
            .map_err(BuildError::threads)
    }
}

/// How many threads rayon has in a lane's pool for itself: for the halves of `join` and what jobs spawn on it.
///
/// With the thread that runs the job they are as many as the lane runs jobs at a time. At least one, or a job that waits for
/// what it has spawned would wait for ever.
pub(crate) fn helpers(threads: usize) -> usize {
    (threads - 1).max(1)
}

impl Family {
    /// For a lane between which and others nothing moves.
    fn alone(threads: usize) -> Self {
        Self {
            books: [Backlog::new(0, threads)].into(),
            index: 0,
            spares: 0,
            quantum: None,
            memo: Arc::default(),
            epoch: Instant::now(),
        }
    }
}

impl fmt::Debug for LaneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneBuilder")
            .field("name", &self.name)
            .field("threads", &self.threads)
            .field("queue_bound", &self.queue_bound)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

fn within(
    setting: &'static str,
    value: usize,
    least: usize,
    most: usize,
) -> Result<usize, BuildError> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        let rule = format!("must be {least} to {most}, not {value}");
        Err(BuildError::setting(setting, rule))
    }
}

/// Why a lane could not be built.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct BuildError {
    kind: Kind,
}

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("lane setting `{name}` {rule}")]
    Setting { name: &'static str, rule: String },
    #[error("could not start the lane's threads: {0}")]
    Threads(String),
}

impl BuildError {
    fn threads(error: io::Error) -> Self {
        Self {
            kind: Kind::Threads(NoThreads::explained(error).to_string()),
        }
    }

    pub(crate) fn setting(name: &'static str, rule: impl Into<String>) -> Self {
        Self {
            kind: Kind::Setting {
                name,
                rule: rule.into(),
            },
        }
    }

    /// The name of the setting whose value is not allowed, or `None` if the threads could not be started.
    #[must_use]
    pub fn setting_name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Setting { name, .. } => Some(name),
            Kind::Threads(_) => None,
        }
    }
}
