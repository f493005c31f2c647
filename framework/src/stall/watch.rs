//! The thread that looks at all event loops every few milliseconds, and reports those that are stuck.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use super::{
    builder::StallWatchBuilder,
    limit::Limit,
    pool::PoolProbe,
    report::{NO_ROUTE, Stall, StallCount, StallKind, Stalls},
    sight::{Look, Sight, Stuck},
};
use crate::{
    backtrace,
    clock::Moment,
    event_loop::{EventLoop, EventLoops, Label, Role},
    os::{self, Priority},
    quiet,
    routes::Route,
};

/// So many looks a threshold, while anything goes on.
const LOOKS: u32 = 5;
/// After so many looks at loops at rest the watch looks less often.
const QUIET_LOOKS: u32 = 50;
/// So much less often.
const SLOWER: u32 = 4;
/// So many times what its route usually costs is past a lane job's time.
const USUAL: u32 = 8;

/// Watches event loops for stalls; see the [module](crate::stall). Clones share everything, and when the last one is dropped the
/// watch ends.
#[derive(Clone)]
pub struct StallWatch {
    owner: Arc<Owner>,
}

/// What all clones hold, and the watch's thread does not.
struct Owner {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug)]
struct Shared {
    settings: StallWatchBuilder,
    stalls: Mutex<Stalls>,
    over: AtomicBool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl StallWatch {
    /// Settings for a watch.
    pub fn builder() -> StallWatchBuilder {
        StallWatchBuilder::default()
    }

    pub(super) fn start(settings: StallWatchBuilder, loops: EventLoops) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            settings,
            stalls: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let mut rounds = Rounds {
            limit: Limit::new(shared.settings.reports_per_minute),
            shared: Arc::clone(&shared),
            loops,
            under_watch: Vec::new(),
            met: (0, 0),
            quiet: 0,
            names_are_ready: Arc::default(),
        };
        if rounds.shared.settings.backtraces {
            rounds.prepare_names()?;
        }
        let handle = thread::Builder::new()
            .name("offload-stalls".to_owned())
            .spawn(move || {
                os::wake_promptly();
                rounds.go();
            })?;
        Ok(Self {
            owner: Arc::new(Owner {
                shared,
                thread: handle.thread().clone(),
            }),
        })
    }

    /// For how long one poll may keep an event loop.
    #[must_use]
    pub fn threshold(&self) -> Duration {
        self.owner.shared.settings.threshold
    }

    /// The latest stalls, at most 64, oldest first; also those that last, and those of which no report was made.
    #[must_use]
    pub fn recent(&self) -> Vec<Stall> {
        self.owner.shared.stalls().latest()
    }

    /// How often each route was found stalled, in no order.
    #[must_use]
    pub fn counts(&self) -> Vec<StallCount> {
        self.owner.shared.stalls().counts()
    }

    /// How many reports the cap has suppressed so far.
    #[must_use]
    pub fn suppressed(&self) -> u64 {
        self.owner.shared.stalls().suppressed
    }
}

impl Shared {
    fn stalls(&self) -> MutexGuard<'_, Stalls> {
        self.stalls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watch's own state, on its thread.
struct Rounds {
    shared: Arc<Shared>,
    loops: EventLoops,
    under_watch: Vec<UnderWatch>,
    /// How many event loops and lane threads were met.
    met: (usize, usize),
    limit: Limit,
    quiet: u32,
    /// Whether functions can be named without reading the program's file first, which takes too long for a report.
    names_are_ready: Arc<AtomicBool>,
}

/// One thread and its stalls that last.
struct UnderWatch {
    sight: Sight,
    stuck: Option<Lasting>,
    pool: PoolProbe,
    pool_stuck: Option<Lasting>,
}

/// A stall that was begun and is not over.
struct Lasting {
    id: u64,
    since: Moment,
    /// It is reported again once it is to blame for so much.
    again_at: Duration,
    /// Whether any report of it was made, so that its end is of interest.
    reported: bool,
}

/// What is found out about a stall at one look.
struct Found {
    kind: StallKind,
    label: Label,
    since: Moment,
    elapsed: Duration,
    blamed: Duration,
    on_cpu: Duration,
}

impl Rounds {
    fn go(&mut self) {
        while !self.shared.over.load(Ordering::Acquire) {
            thread::park_timeout(self.pace());
            self.meet_new();
            let now = Moment::now();
            let mut all_quiet = true;
            let mut threads = std::mem::take(&mut self.under_watch);
            for thread in &mut threads {
                self.look(thread, now);
                all_quiet &= thread.sight.quiet;
            }
            self.under_watch = threads;
            self.quiet = if all_quiet {
                self.quiet.saturating_add(1)
            } else {
                0
            };
        }
    }

    /// Reads what names functions, on a thread of its own that stands behind the others.
    fn prepare_names(&self) -> io::Result<()> {
        let ready = Arc::clone(&self.names_are_ready);
        thread::Builder::new()
            .name("offload-names".to_owned())
            .spawn(move || {
                os::apply(Priority::background());
                backtrace::prepare();
                ready.store(true, Ordering::Release);
            })?;
        Ok(())
    }

    /// Where the thread is at this moment, innermost call first.
    fn backtrace(&self, event_loop: &EventLoop) -> Vec<String> {
        let ready = self.names_are_ready.load(Ordering::Acquire);
        let Some(stack) = event_loop.stack().filter(|_| ready) else {
            return Vec::new();
        };
        match backtrace::of_thread(stack) {
            Ok(taken) => taken.frames().iter().map(ToString::to_string).collect(),
            Err(unavailable) => {
                tracing::debug!(target: "offload", thread = event_loop.name(), "{unavailable}");
                Vec::new()
            }
        }
    }

    fn pace(&self) -> Duration {
        let quick = self.shared.settings.threshold / LOOKS;
        let quick = quick.max(Duration::from_millis(1));
        if self.quiet < QUIET_LOOKS {
            quick
        } else {
            quick * SLOWER
        }
    }

    fn meet_new(&mut self) {
        let now = Moment::now();
        for new in self.loops.met_since(self.met.0, self.met.1) {
            match new.role() {
                Role::EventLoop => self.met.0 += 1,
                Role::LaneThread => self.met.1 += 1,
            }
            self.under_watch.push(UnderWatch {
                sight: Sight::new(new, now),
                stuck: None,
                pool: PoolProbe::default(),
                pool_stuck: None,
            });
        }
    }

    fn look(&mut self, thread: &mut UnderWatch, now: Moment) {
        let event_loop = Arc::clone(&thread.sight.event_loop);
        let role = event_loop.role();
        let least = match role {
            Role::EventLoop => self.shared.settings.threshold,
            Role::LaneThread => self.shared.settings.lane_jobs,
        };
        match thread.sight.look(now, least) {
            Look::WentOn(at) => {
                if let Some(lasting) = thread.stuck.take() {
                    self.end(&event_loop, lasting, at);
                }
            }
            Look::Same(None) => {}
            Look::Same(Some(stuck)) => {
                if let Some(found) = self.judge(role, stuck) {
                    event_loop
                        .watched
                        .stalled_label
                        .store(stuck.label.word(), Ordering::Relaxed);
                    let nanos = u64::try_from(stuck.elapsed.as_nanos()).unwrap_or(u64::MAX);
                    event_loop
                        .watched
                        .stalled_nanos
                        .store(nanos, Ordering::Relaxed);
                    self.found(&event_loop, &mut thread.stuck, &found, now);
                }
            }
        }
        if role == Role::EventLoop
            && let Some(limit) = self.shared.settings.blocking_pool
        {
            self.look_at_pool(&event_loop, thread, now, limit);
        }
    }

    fn judge(&self, role: Role, stuck: Stuck) -> Option<Found> {
        let kind = match role {
            Role::LaneThread => {
                let usual = self
                    .route(stuck.label)
                    .and_then(|route| route.usual_lane_cost());
                if usual.is_some_and(|usual| stuck.blamed < usual * USUAL) {
                    return None;
                }
                StallKind::LaneJob
            }
            Role::EventLoop if stuck.waits => StallKind::Waiting,
            Role::EventLoop => StallKind::Computing,
        };
        Some(Found {
            kind,
            label: stuck.label,
            since: stuck.since,
            elapsed: stuck.elapsed,
            blamed: stuck.blamed,
            on_cpu: stuck.used,
        })
    }

    fn look_at_pool(
        &mut self,
        event_loop: &EventLoop,
        thread: &mut UnderWatch,
        now: Moment,
        limit: Duration,
    ) {
        let waits = thread.pool.look(event_loop, now, limit);
        match waits {
            Some((since, elapsed)) if elapsed >= limit => {
                let found = Found {
                    kind: StallKind::BlockingPool,
                    label: Label::NONE,
                    since,
                    elapsed,
                    blamed: elapsed,
                    on_cpu: Duration::ZERO,
                };
                self.found(event_loop, &mut thread.pool_stuck, &found, now);
            }
            Some(_) => {}
            None => {
                if let Some(lasting) = thread.pool_stuck.take() {
                    self.end(event_loop, lasting, now);
                }
            }
        }
    }

    /// A stall has begun, or it lasts.
    fn found(
        &mut self,
        event_loop: &EventLoop,
        lasting: &mut Option<Lasting>,
        found: &Found,
        now: Moment,
    ) {
        let due = match lasting {
            None => true,
            Some(lasting) => found.blamed >= lasting.again_at,
        };
        let lasting = lasting.get_or_insert_with(|| {
            if found.kind.is_of_loop() {
                event_loop.watched.stalls.fetch_add(1, Ordering::Relaxed);
            }
            Lasting {
                id: self.shared.stalls().begin(self.describe(event_loop, found)),
                since: found.since,
                again_at: Duration::ZERO,
                reported: false,
            }
        });
        let mut stall = {
            let mut stalls = self.shared.stalls();
            let Some(stall) = stalls.get_mut(lasting.id) else {
                return;
            };
            stall.elapsed = found.elapsed;
            stall.on_cpu = found.on_cpu;
            stall.kind = found.kind;
            if !due {
                return;
            }
            stall.clone()
        };
        lasting.again_at = found.blamed * 2;
        match self.limit.ask(now) {
            Some(suppressed) => {
                lasting.reported = true;
                stall.suppressed = suppressed;
                self.report(&stall);
            }
            None => self.shared.stalls().suppressed += 1,
        }
    }

    fn describe(&self, event_loop: &EventLoop, found: &Found) -> Stall {
        let now = Instant::now();
        Stall {
            id: 0,
            event_loop: (event_loop.role() == Role::EventLoop).then(|| event_loop.number()),
            thread: event_loop.name().to_owned(),
            route: self.name(found.label),
            kind: found.kind,
            elapsed: found.elapsed,
            on_cpu: found.on_cpu,
            over: false,
            began: now.checked_sub(found.elapsed).unwrap_or(now),
            suppressed: 0,
            // The thread of a full pool's event loop has no part in that.
            backtrace: match found.kind {
                StallKind::BlockingPool => Vec::new(),
                _ => self.backtrace(event_loop),
            },
        }
    }

    fn route(&self, label: Label) -> Option<Arc<Route>> {
        self.shared.settings.routes.as_ref()?.labelled(label)
    }

    fn name(&self, label: Label) -> String {
        self.route(label)
            .map_or_else(|| NO_ROUTE.to_owned(), |route| route.to_string())
    }

    fn report(&self, stall: &Stall) {
        tracing::warn!(
            target: "offload",
            event_loop = stall.event_loop,
            thread = %stall.thread,
            route = %stall.route,
            kind = %stall.kind,
            elapsed_ms = millis(stall.elapsed),
            on_cpu_ms = millis(stall.on_cpu),
            suppressed = stall.suppressed,
            "{stall}{}",
            Frames(&stall.backtrace),
        );
        let Some(tell) = &self.shared.settings.on_stall else {
            return;
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| tell(stall))) {
            quiet::report("what is done with a stall", panic);
        }
    }

    /// It has gone on.
    fn end(&self, event_loop: &EventLoop, lasting: Lasting, at: Moment) {
        let stall = {
            let mut stalls = self.shared.stalls();
            let Some(stall) = stalls.get_mut(lasting.id) else {
                return;
            };
            stall.over = true;
            stall.elapsed = at.since(lasting.since).max(stall.elapsed);
            stall.clone()
        };
        if stall.kind != StallKind::BlockingPool {
            event_loop.heard().was_kept_for(stall.elapsed);
            event_loop.watched.stalled_nanos.store(0, Ordering::Relaxed);
        }
        if lasting.reported {
            tracing::info!(
                target: "offload",
                event_loop = stall.event_loop,
                thread = %stall.thread,
                route = %stall.route,
                kind = %stall.kind,
                elapsed_ms = millis(stall.elapsed),
                "{stall}",
            );
        }
    }
}

/// A backtrace below a line of the log.
struct Frames<'a>(&'a [String]);

impl fmt::Display for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, frame) in self.0.iter().enumerate() {
            write!(f, "\n  {number:>2}: {frame}")?;
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for StallWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallWatch")
            .field("settings", &self.owner.shared.settings)
            .finish_non_exhaustive()
    }
}
