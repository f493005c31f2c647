//! A lane: threads of a rayon pool of their own with a bounded queue in front, because rayon has neither bounds nor
//! cancellation.

mod account;
mod bill;
mod body;
mod builder;
mod cancel;
mod engine;
mod entry;
mod gate;
mod handle;
mod ledger;
mod park;
mod resident;
mod rounds;
mod run;
mod seat;
mod shared;
mod sharing;
mod shelf;
mod stay;
mod strangers;
mod tenure;
mod thread;
mod unknown;
mod waiting;
mod watch;

#[cfg(all(test, loom))]
mod model;

use std::{
    fmt,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_task::Runnable;
use tracing::Span;

use self::{
    account::{Account, Entry},
    body::{Body, Call, Outcome},
    engine::Engine,
    entry::{Job, Work},
    ledger::{End, Ticket},
    shared::Shared,
};
pub(crate) use self::{
    account::{Arrival, Patience},
    builder::{Family, LaneBuilder, helpers},
    resident::Place,
    shared::Longer,
};
pub use self::{
    bill::Bill,
    builder::BuildError,
    cancel::{CancelToken, is_cancelled},
    handle::JobHandle,
    ledger::{LaneState, LaneStats},
    park::{Park, Unpark},
    run::{Run, Task},
    stay::Stay,
};
use crate::{
    admission::{Answer, Ask, Refusal},
    error::Error,
    quiet::{self, Quiet},
};

/// A pool of threads for one class of work, with a bounded queue in front.
///
/// Its end is the lane's end: jobs that have not begun are cancelled and dropped on the spot, those that have begun go on to
/// their end, and the threads end after that; nothing waits for them. A task that waits has begun: it keeps the threads until
/// its own end or until its [`Task`] is dropped.
///
/// A job that is started from one of the lane's own threads runs right there instead of queueing behind itself. No panic of a
/// job ends a thread or the process.
pub(crate) struct Lane {
    engine: Arc<Engine>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared().remove_all();
    }
}

impl Lane {
    pub(crate) fn over(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Whether the calling thread is one of this lane's threads.
    pub(crate) fn is_current(&self) -> bool {
        Place::is_in(self.shared())
    }

    /// How many threads the lane runs jobs on at a time.
    pub(crate) fn threads(&self) -> usize {
        self.shared().slots
    }

    /// How many jobs wait for their beginning. Removed jobs and tasks between two polls don't count.
    pub(crate) fn queued(&self) -> usize {
        self.shared().book().queued()
    }

    /// How many threads are at work now: in a job of the lane, or polling their resident.
    pub(crate) fn running(&self) -> usize {
        self.shared().gate.busy()
    }

    /// What the lane has done since it was built.
    pub(crate) fn stats(&self) -> LaneStats {
        self.shared().ledger.stats()
    }

    /// What is going on now.
    pub(crate) fn state(&self) -> LaneState {
        let shared = self.shared();
        LaneState {
            name: shared.name.clone(),
            threads: self.threads(),
            queue_bound: shared.bound,
            queued: self.queued(),
            running: self.running(),
            slots_taken: shared.gate.slots_taken(),
            projected_delay: shared.book().projected_delay(&shared.flow),
            stats: self.stats(),
        }
    }

    pub(crate) fn projected_delay_of(&self, arrival: &Arrival) -> Duration {
        self.shared().book().projected_delay(&arrival.flow)
    }

    /// Whether a job would be taken; one that would not is counted as refused.
    pub(crate) fn check(&self, arrival: &Arrival) -> Result<(), Error> {
        let book = self.shared().book();
        let foreseen = self.decide(arrival, |ask, now| {
            book.would_answer(&arrival.flow, ask, now)
        });
        self.count(foreseen).map(drop)
    }

    /// Whether a job would be taken that came now. Nothing is counted.
    pub(crate) fn would_take(&self, arrival: &Arrival) -> bool {
        let (shared, flow) = (self.shared(), &arrival.flow);
        let foreseen = self.decide(arrival, |ask, now| {
            shared.book().would_answer(flow, ask, now)
        });
        foreseen.is_ok() && shared.book().would_admit(flow, shared.bound)
    }

    /// Runs `f`. The closure enters the queue now, not at the first poll, and runs inside the [`Span`] that is current here.
    pub(crate) fn run<F, T>(&self, arrival: Arrival, f: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.is_current() {
            return Run::settled(self.call_inline(f));
        }
        let (ticket, latest) = match self.admit(&arrival) {
            Ok(taken) => taken,
            Err(error) => {
                drop(Quiet::new(f));
                return Run::settled(Err(error));
            }
        };
        // A closure is ready at its first poll, so nothing ever schedules it a second time.
        let (runnable, task) = async_task::spawn(Body::new(Call::new(f)), drop::<Runnable>);
        match self.enqueue(ticket, Work::Poll(runnable), arrival, latest) {
            Ok(handle) => Run::waiting(handle, task.fallible()),
            Err(error) => Run::settled(Err(error)),
        }
    }

    /// Polls `future`, poll by poll; while it waits it holds no thread. Its first poll takes its turn in the queue; when it is
    /// woken later, its next poll comes by turns with new jobs.
    pub(crate) fn spawn<Fut>(&self, arrival: Arrival, future: Fut) -> Task<Fut::Output>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let inline = self.is_current();
        let (ticket, latest) = if inline {
            (self.shared().ledger.admit(), u64::MAX)
        } else {
            match self.admit(&arrival) {
                Ok(taken) => taken,
                Err(error) => {
                    drop(Quiet::new(future));
                    return Task::settled(Err(error));
                }
            }
        };
        let engine = Arc::clone(&self.engine);
        let resume = move |runnable: Runnable| engine.resume(runnable);
        let (runnable, task) = async_task::spawn(Body::new(future), resume);
        let task: async_task::FallibleTask<Outcome<Fut::Output>> = task.fallible();
        if inline {
            self.shared().ledger.submitted();
            let job = Job {
                ticket,
                work: Work::Poll(runnable),
            };
            self.shared()
                .surround("a job", || Bill::hide(|| job.perform()));
            return Task::waiting(JobHandle::inline(), task);
        }
        match self.enqueue(ticket, Work::Poll(runnable), arrival, latest) {
            Ok(handle) => Task::waiting(handle, task),
            Err(error) => Task::settled(Err(error)),
        }
    }

    /// Puts `f` into the queue, or refuses it at once. Nobody is told how it ends; a panic is logged.
    pub(crate) fn submit<F>(&self, arrival: Arrival, f: F) -> Result<JobHandle, Error>
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
        let (ticket, latest) = self.admit(&arrival)?;
        let span = Span::current();
        let call = Box::new(move |ticket| call_to_the_end(f, ticket, &span));
        self.enqueue(ticket, Work::Call(call), arrival, latest)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.engine.shared
    }

    /// Decides whether a job may enter, before it does, and takes its place. Returns also until when it may wait.
    fn admit(&self, arrival: &Arrival) -> Result<(Ticket, u64), Error> {
        let (shared, flow) = (self.shared(), &arrival.flow);
        let decided = self.decide(arrival, |ask, now| shared.book().ask(flow, ask, now));
        let latest = self.count(decided)?;
        if shared.book().admit(flow, shared.bound) {
            return Ok((shared.ledger.admit(), latest));
        }
        let why = Refusal::QueueFull;
        shared.ledger.refuse(why);
        Err(Error::overloaded(self.projected_delay_of(arrival), why))
    }

    /// Until when a job may wait, or why it is not taken.
    fn decide(
        &self,
        arrival: &Arrival,
        answer: impl FnOnce(Ask, u64) -> Answer,
    ) -> Result<u64, (Duration, Refusal)> {
        let (shared, patience) = (self.shared(), arrival.patience);
        if shared.closed.load(Ordering::SeqCst) {
            return Err((self.projected_delay_of(arrival), Refusal::Closed));
        }
        let takes = shared.book().wall_time_of(arrival.cost);
        let ask = Ask {
            cost: arrival.cost,
            // Half, because projections err: who was let in should not be turned away later, after a wait for nothing.
            limit: Duration::from_nanos(patience.of(takes) / 2),
            burst: patience.burst(),
        };
        let now = shared.waiting_now();
        match answer(ask, now) {
            Answer::Soon => Ok(now.saturating_add(patience.of(takes))),
            Answer::Drains => Ok(now.saturating_add(patience.in_burst(takes))),
            Answer::Never => Err((self.projected_delay_of(arrival), Refusal::TooLong)),
        }
    }

    /// Counts a refusal.
    fn count(&self, decided: Result<u64, (Duration, Refusal)>) -> Result<u64, Error> {
        decided.map_err(|(delay, why)| {
            self.shared().ledger.refuse(why);
            Error::overloaded(delay, why)
        })
    }

    fn enqueue(
        &self,
        ticket: Ticket,
        work: Work,
        arrival: Arrival,
        latest: u64,
    ) -> Result<JobHandle, Error> {
        let shared = self.shared();
        let books = Arc::clone(&shared.books);
        let account = Account::new(arrival, latest, books, shared.index);
        let entry = Arc::new(Entry::new(Job { ticket, work }, account));
        if shared.enqueue(&entry) {
            shared.ledger.submitted();
            Ok(JobHandle::new(entry))
        } else {
            Err(Error::overloaded(
                shared.book().projected_delay(&shared.flow),
                Refusal::QueueFull,
            ))
        }
    }

    /// Calls `f` on this thread, which is one of the lane's, as if it had come through the queue.
    fn call_inline<T>(&self, f: impl FnOnce() -> T) -> Result<T, Error> {
        self.shared().ledger.submitted();
        let ticket = self.shared().ledger.admit();
        let mut outcome = None;
        self.shared().surround("a job", || {
            let caught = quiet::catch(|| Bill::hide(f));
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
fn call_to_the_end<F: FnOnce()>(mut f: Quiet<F>, ticket: Ticket, span: &Span) {
    let Some(f) = f.take() else {
        return;
    };
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
            .field("name", &self.shared().name)
            .field("threads", &self.threads())
            .field("queued", &self.queued())
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}
