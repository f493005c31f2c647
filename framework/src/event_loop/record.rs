//! The record of one event loop: what it is at, and what it has done.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::{
    heard::Heard,
    poll_times::PollTimes,
    snapshot::Snapshot,
    turn::{Label, Turn},
};
use crate::{
    clock::{Mark, Measured, Moment},
    os::{self, ThreadRef},
};

/// What kind of thread a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// An event loop, which must not stay in one poll for long.
    EventLoop,
    /// A thread of a lane, which is there for long polls.
    LaneThread,
}

/// One event loop. Its own thread writes, without a locked instruction; any thread may read.
///
/// It comes from [`EventLoops::here`](super::EventLoops::here).
pub struct EventLoop {
    own: Own,
    heard: Heard,
    pub(crate) watched: Watched,
    role: Role,
    number: usize,
    serial: u64,
    ended: AtomicBool,
    name: String,
    thread: ThreadRef,
    /// What the thread had used before it was met.
    cpu_before: Option<Duration>,
    #[cfg(feature = "stall-backtrace")]
    stack: Option<offload_backtrace::Stack>,
    pool: Mutex<Option<Arc<Pool>>>,
}

/// Takes a closure and has the pool for blocking work of one event loop run it, or drops it.
pub(crate) type Pool = dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync;

/// What the loop's thread writes for each poll, on cache lines that nobody else writes to.
#[repr(align(64))]
#[derive(Debug, Default)]
struct Own {
    turn: Turn,
    requests: AtomicU64,
    busy_nanos: AtomicU64,
    longest_nanos: AtomicU64,
    longest_label: AtomicU32,
    polls: PollTimes,
}

/// What the stall watch has found out, written by the watch only.
#[repr(align(64))]
#[derive(Debug, Default)]
pub(crate) struct Watched {
    stalls: AtomicU64,
    /// For how long it is stalled now; zero if it is not.
    stalled_nanos: AtomicU64,
    stalled_label: AtomicU32,
}

impl Watched {
    /// One more stall has begun.
    pub(crate) fn count(&self) {
        self.stalls.fetch_add(1, Relaxed);
    }

    /// The loop has been stalled for so long.
    pub(crate) fn is_stalled(&self, elapsed: Duration, label: Label) {
        self.stalled_label.store(label.word(), Relaxed);
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.stalled_nanos.store(nanos, Relaxed);
    }

    /// It is not stalled any more.
    pub(crate) fn goes_on(&self) {
        self.stalled_nanos.store(0, Relaxed);
    }
}

impl EventLoop {
    /// For the calling thread.
    pub(super) fn here(number: usize, serial: u64, role: Role) -> Self {
        let thread = thread::current();
        let own = ThreadRef::current();
        Self {
            own: Own::default(),
            heard: Heard::default(),
            watched: Watched::default(),
            role,
            number,
            serial,
            ended: AtomicBool::new(false),
            name: thread.name().unwrap_or_default().to_owned(),
            cpu_before: os::cpu_time(&own),
            thread: own,
            #[cfg(feature = "stall-backtrace")]
            stack: offload_backtrace::Stack::current(),
            pool: Mutex::default(),
        }
    }

    /// Its number: the lowest that no other event loop had when this one began.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The name of its thread, empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes that a poll begins, which `mark` measures. Polls of one loop must not be nested.
    #[inline]
    pub fn begin(&self, mark: &Mark, label: Label) {
        self.own.turn.begin(mark.moment(), label);
    }

    /// Notes that the poll has ended.
    #[inline]
    pub fn end(&self, measured: &Measured) {
        self.own.turn.end(measured.moment());
    }

    /// As [`begin`](Self::begin), without a measurement.
    pub fn begin_now(&self, label: Label) {
        self.own.turn.begin(Moment::now(), label);
    }

    /// As [`end`](Self::end), after [`begin_now`](Self::begin_now).
    pub fn end_now(&self) {
        self.own.turn.end(Moment::now());
    }

    /// Counts a finished request.
    #[inline]
    pub fn count_request(&self) {
        add(&self.own.requests, 1);
    }

    /// Counts a poll that took this long.
    #[inline]
    pub fn count_poll(&self, cost: Duration, label: Label) {
        // Not by way of 128 bits: it is done for each poll.
        let whole = cost.as_secs().saturating_mul(1_000_000_000);
        let nanos = whole.saturating_add(u64::from(cost.subsec_nanos()));
        add(&self.own.busy_nanos, nanos);
        self.own.polls.count_alone(nanos);
        if nanos > self.own.longest_nanos.load(Relaxed) {
            self.own.longest_nanos.store(nanos, Relaxed);
            self.own.longest_label.store(label.word(), Relaxed);
        }
    }

    /// Sets how a closure gets to the loop's own pool for blocking work, so that the watch can find out whether that is full. The latest call
    /// counts, until the loop's [`Pulse`](super::Pulse) is dropped.
    pub fn pool(&self, pool: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static) {
        let before = self.own_pool().replace(Arc::new(pool));
        drop(before); // Outside of the lock.
    }

    pub(crate) fn to_pool(&self) -> Option<Arc<Pool>> {
        self.own_pool().clone()
    }

    pub(super) fn take_pool(&self) -> Option<Arc<Pool>> {
        self.own_pool().take()
    }

    fn own_pool(&self) -> MutexGuard<'_, Option<Arc<Pool>>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were met before it.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Whether it is an event loop no longer.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// It is no event loop any more, so its pulse ends.
    pub(super) fn be_over(&self) {
        self.ended.store(true, Relaxed);
        self.heard.stop();
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn turn(&self) -> &Turn {
        &self.own.turn
    }

    pub(crate) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Where its stack lies, if that can be known.
    #[cfg(feature = "stall-backtrace")]
    pub(crate) fn stack(&self) -> Option<offload_backtrace::Stack> {
        self.stack
    }

    pub(crate) fn thread(&self) -> &ThreadRef {
        &self.thread
    }

    /// What it has done so far. The figures are read one by one, so they may be a few polls apart.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let nanos = |counter: &AtomicU64| Duration::from_nanos(counter.load(Relaxed));
        let now = Moment::now();
        let stalled = nanos(&self.watched.stalled_nanos);
        let label = |word: &AtomicU32| Label::from_word(word.load(Relaxed));
        Snapshot {
            requests: self.own.requests.load(Relaxed),
            busy: nanos(&self.own.busy_nanos),
            longest_poll: nanos(&self.own.longest_nanos),
            longest_poll_label: label(&self.own.longest_label),
            polls: self.own.polls.counts(),
            cpu: os::cpu_time(&self.thread)
                .map(|cpu| cpu.saturating_sub(self.cpu_before.unwrap_or_default())),
            lag: self.heard.lag(now).max(stalled),
            longest_lag: self.heard.longest_lag(now).max(stalled),
            stalls: self.watched.stalls.load(Relaxed),
            stalled: (!stalled.is_zero()).then(|| (stalled, label(&self.watched.stalled_label))),
        }
    }
}

/// Adds without a locked instruction: only the loop's own thread writes.
#[inline]
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("number", &self.number)
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
