//! The settings of a lane, checked as a whole when it is built.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::{Duration, Instant},
};

use rayon::ThreadPoolBuilder;

use super::{
    Lane,
    account::Books,
    engine::Engine,
    gate::Gate,
    park::{Park, ParkBuilder, Resident, ResidentBuilder},
    resident::Place,
    shared::{Around, LaneThreadState, Shared},
    shelf::Shelf,
    waiting::WaitingClock,
    watch::Watch,
};
use crate::{
    admission::Flow,
    cost::CostMemo,
    os::{NoThreads, Priority},
    quiet,
};

const MOST_QUEUED: usize = 1 << 20;
const LEAST_STACK: usize = 64 * 1024;
const MOST_STACK: usize = 1 << 32;

/// Room for tombstones: this many times the bound.
const ROOM_FACTOR: usize = 4;
const LEAST_ROOM: usize = 1024;

/// Settings of a [`Lane`], which are documented where they are public: in [`LanesBuilder`](crate::LanesBuilder).
#[derive(Clone)]
pub(crate) struct LaneBuilder {
    queue_bound: usize,
    stack_size: Option<usize>,
    around: Option<Arc<Around>>,
    local: Option<Arc<ResidentBuilder>>,
    park: Option<Arc<ParkBuilder>>,
}

/// What tells a lane from the other one, and what it shares with it, because jobs can move between them.
pub(crate) struct Family {
    pub(crate) name: String,
    /// How many jobs it runs at a time.
    pub(crate) threads: usize,
    pub(crate) priority: Priority,
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
            queue_bound: 1024,
            stack_size: None,
            around: None,
            local: None,
            park: None,
        }
    }

    pub(crate) fn queue_bound(mut self, jobs: usize) -> Self {
        self.queue_bound = jobs;
        self
    }

    pub(crate) fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    pub(crate) fn local(
        mut self,
        build: impl Fn(usize) -> Resident + Send + Sync + 'static,
    ) -> Self {
        self.local = Some(Arc::new(Box::new(build)));
        self
    }

    pub(crate) fn park(
        mut self,
        build: impl Fn(usize) -> Box<dyn Park> + Send + Sync + 'static,
    ) -> Self {
        self.park = Some(Arc::new(Box::new(build)));
        self
    }

    pub(crate) fn around(
        mut self,
        around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
    ) -> Self {
        self.around = Some(Arc::new(Box::new(around)));
        self
    }

    /// Starts the threads.
    pub(crate) fn build(self, family: Family) -> Result<Lane, BuildError> {
        let threads = family.threads;
        let bound = within("queue_bound", self.queue_bound, 1, MOST_QUEUED)?;
        if family.name.contains('\0') {
            return Err(BuildError::setting("name", "must be a text without NUL"));
        }
        let lane_threads = threads + family.spares;
        let all_threads = lane_threads + helpers(threads);
        let mut pool = ThreadPoolBuilder::new().num_threads(all_threads);
        if let Some(bytes) = self.stack_size {
            pool = pool.stack_size(within("stack_size", bytes, LEAST_STACK, MOST_STACK)?);
        }
        let room = bound.saturating_mul(ROOM_FACTOR).max(LEAST_ROOM);
        let states = std::iter::repeat_with(LaneThreadState::default);
        let shared = Arc::new(Shared {
            name: family.name.clone(),
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
            priority: family.priority,
            threads: states.take(all_threads).collect(),
            longer: OnceLock::new(),
            unknown: AtomicUsize::new(0),
            waiting: WaitingClock::default(),
            closed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            epoch: family.epoch,
        });
        let name = family.name;
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
