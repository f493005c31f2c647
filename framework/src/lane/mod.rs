//! A lane: a rayon pool of its own with a bounded queue in front, because rayon has neither bounds nor cancellation.

mod body;
mod builder;
mod engine;
mod entry;
mod fallback;
mod gate;
mod handle;
mod ledger;
mod resident;
mod run;
mod seat;

#[cfg(all(test, loom))]
mod model;

use std::{fmt, future::Future, sync::Arc};

use async_task::Runnable;
use tracing::Span;

pub(crate) use self::resident::Place;
use self::{
    body::{Body, Call, Outcome},
    engine::{Engine, Shared},
    entry::Work,
    ledger::{End, Ticket},
};
pub use self::{
    builder::{BuildError, LaneBuilder},
    handle::JobHandle,
    ledger::LaneStats,
    run::{Run, Task},
};
use crate::{
    error::Error,
    quiet::{self, Quiet},
};

/// A pool of threads for one class of work, with a bounded queue in front.
///
/// Cloning is cheap, and all clones are the same lane. Jobs begin in the order in which they were submitted. When the last
/// clone is dropped, jobs that have not begun are canceled and dropped on the spot, those that have begun go on to their end,
/// and the threads end after that; nothing waits for them. A task that waits has begun: it keeps the threads until its own end
/// or until its [`Task`] is dropped.
///
/// A job that is started from one of the lane's own threads runs right there instead of queueing behind itself.
///
/// # Panics
///
/// No panic of a job ends a thread or the process: [`run`](Self::run) and [`spawn`](Self::spawn) give it back as an
/// [`Error`], [`submit`](Self::submit) logs it.
///
/// # Examples
///
/// ```
/// use offload_core::Lane;
///
/// let lane = Lane::builder().name("sums").threads(2).queue_bound(64).build()?;
/// let sum = pollster::block_on(lane.run(|| (1..=1_000_u64).sum::<u64>()))?;
/// assert_eq!(sum, 500_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lane {
    owner: Arc<Owner>,
}

/// What all clones of a lane hold, and nothing else does: its end is the lane's end.
struct Owner {
    engine: Arc<Engine>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.engine.shared.close();
    }
}

impl Lane {
    /// Settings for a new lane.
    pub fn builder() -> LaneBuilder {
        LaneBuilder::new()
    }

    pub(crate) fn over(engine: Arc<Engine>) -> Self {
        Self {
            owner: Arc::new(Owner { engine }),
        }
    }

    /// Runs `f` on the lane.
    ///
    /// The closure enters the queue now, not at the first poll. It runs inside the [`tracing::Span`] that is current here.
    /// Called from one of the lane's own threads, it runs before this returns.
    ///
    /// # Errors
    ///
    /// The future resolves to an [`Error`] if the queue was full, the lane ended first, or `f` panicked. On overload `f`
    /// is dropped here and never runs.
    ///
    /// # Cancel safety
    ///
    /// Dropping the [`Run`] before `f` has begun removes it. After that it runs to its end.
    pub fn run<F, T>(&self, f: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.is_current() {
            return Run::settled(self.call_inline(f));
        }
        let Some(ticket) = self.shared().ledger.admit() else {
            drop(Quiet::new(f));
            return Run::settled(Err(Error::overloaded()));
        };
        // A closure is ready at its first poll, so nothing ever schedules it a second time.
        let (runnable, task) = async_task::spawn(Body::new(Call::new(f), ticket), drop::<Runnable>);
        match self.owner.engine.enqueue(Work::Poll(runnable)) {
            Some(entry) => Run::waiting(JobHandle::new(entry), task.fallible()),
            None => Run::settled(Err(Error::overloaded())),
        }
    }

    /// Polls `future` on the lane, poll by poll; while it waits it holds no thread.
    ///
    /// It enters the queue now. Its first poll takes its turn in the queue; when it is woken later, its next poll comes by
    /// turns with new jobs. All polls are inside the [`tracing::Span`] that is current here. Called from one of the
    /// lane's own threads, the first poll happens before this returns.
    ///
    /// # Errors
    ///
    /// The [`Task`] resolves to an [`Error`] if the queue was full, the lane ended before the first poll, or the future
    /// panicked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the [`Task`] before the first poll removes the future. After that it stops it at its next await.
    pub fn spawn<Fut>(&self, future: Fut) -> Task<Fut::Output>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let inline = self.is_current();
        let ticket = if inline {
            self.shared().ledger.admit_inline()
        } else if let Some(ticket) = self.shared().ledger.admit() {
            ticket
        } else {
            drop(Quiet::new(future));
            return Task::settled(Err(Error::overloaded()));
        };
        let engine = Arc::clone(&self.owner.engine);
        let resume = move |runnable: Runnable| engine.resume(runnable);
        let (runnable, task) = async_task::spawn(Body::new(future, ticket), resume);
        let task: async_task::FallibleTask<Outcome<Fut::Output>> = task.fallible();
        if inline {
            self.shared()
                .surround("a job", || Work::Poll(runnable).perform());
            return Task::waiting(JobHandle::inline(), task);
        }
        match self.owner.engine.enqueue(Work::Poll(runnable)) {
            Some(entry) => Task::waiting(JobHandle::new(entry), task),
            None => Task::settled(Err(Error::overloaded())),
        }
    }

    /// Puts `f` into the queue, or refuses it at once. Nobody is told how it ends; a panic is logged.
    ///
    /// This is the primitive under [`run`](Self::run), for callers that have their own way to hear of the end.
    /// Called from one of the lane's own threads, `f` runs before this returns.
    ///
    /// # Errors
    ///
    /// Returns an [`Error`] that [`is_overloaded`](Error::is_overloaded) if the queue is full; `f` is dropped here and never
    /// runs.
    pub fn submit<F>(&self, f: F) -> Result<JobHandle, Error>
    where
        F: FnOnce() + Send + 'static,
    {
        if self.is_current() {
            if let Err(error) = self.call_inline(f)
                && let Ok(payload) = error.into_panic()
            {
                quiet::report("a job", payload);
            }
            return Ok(JobHandle::inline());
        }
        let f = Quiet::new(f);
        let Some(ticket) = self.shared().ledger.admit() else {
            drop(f);
            return Err(Error::overloaded());
        };
        let span = Span::current();
        let call = Box::new(move || call_to_the_end(f, ticket, &span));
        match self.owner.engine.enqueue(Work::Call(call)) {
            Some(entry) => Ok(JobHandle::new(entry)),
            None => Err(Error::overloaded()),
        }
    }

    /// Whether the calling thread is one of this lane's threads.
    #[must_use]
    pub fn is_current(&self) -> bool {
        Place::is_in(self.shared())
    }

    /// The lane's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared().name
    }

    /// How many threads the lane has.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared().gate.threads()
    }

    /// How many jobs may wait.
    #[must_use]
    pub fn queue_bound(&self) -> usize {
        self.shared().ledger.bound()
    }

    /// How many jobs wait for their beginning. Removed jobs and tasks between two polls don't count.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared().ledger.queued()
    }

    /// How many threads are at work now: in a job, or polling their [`local`](LaneBuilder::local) future.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared().gate.busy()
    }

    /// How many rayon jobs of its own the lane has given to rayon and not got back, never more than
    /// [`threads`](Self::threads).
    #[must_use]
    pub fn runners(&self) -> usize {
        self.shared().gate.runners()
    }

    /// What the lane has done since it was built.
    #[must_use]
    pub fn stats(&self) -> LaneStats {
        self.shared().ledger.stats()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.owner.engine.shared
    }

    /// Calls `f` on this thread, which is one of the lane's, as if it had come through the queue.
    fn call_inline<T>(&self, f: impl FnOnce() -> T) -> Result<T, Error> {
        let mut ticket = self.shared().ledger.admit_inline();
        let mut outcome = None;
        self.shared().surround("a job", || {
            let caught = quiet::catch(f);
            ticket.end(match &caught {
                Ok(_) => End::Returned,
                Err(_) => End::Panicked,
            });
            outcome = Some(Quiet::new(caught));
        });
        run::result_of(outcome)
    }
}

/// Calls a submitted closure on the lane.
fn call_to_the_end<F: FnOnce()>(mut f: Quiet<F>, mut ticket: Ticket, span: &Span) {
    let Some(f) = f.take() else {
        return;
    };
    ticket.begin();
    match quiet::catch(|| span.in_scope(f)) {
        Ok(()) => ticket.end(End::Returned),
        Err(payload) => {
            ticket.end(End::Panicked);
            quiet::report("a job", payload);
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("name", &self.name())
            .field("threads", &self.threads())
            .field("queued", &self.queued())
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}
