//! Open-loop floods: thousands of requests a second with thousands outstanding, on one thread.
//!
//! A request that is due while as many as allowed are outstanding waits in the client. One that still waits when the flood
//! ends was never sent.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    runtime::Builder,
    task::{JoinSet, LocalSet},
    time::{sleep_until, timeout_at},
};

use super::{
    answer::After,
    connection::IDLE_LIMIT,
    exchange,
    record::{Failure, Outcome, Record},
    request::Request,
};

/// Which connection a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// One that another request has left, if there is one.
    KeptAlive,
    /// Always a new one.
    Fresh,
}

/// An open-loop flow of any rate.
#[derive(Clone, Debug)]
pub(crate) struct Flood {
    pub(crate) address: SocketAddr,
    pub(crate) request: Request,
    /// When requests are due, counted from the start.
    pub(crate) due: Vec<Duration>,
    /// When the flood ends.
    pub(crate) time: Duration,
    /// How much longer answers are waited for.
    pub(crate) drain: Duration,
    /// The most requests that may be outstanding.
    pub(crate) outstanding: usize,
    pub(crate) connections: Connections,
}

struct State {
    flood: Flood,
    give_up: Instant,
    pending: RefCell<VecDeque<Instant>>,
    outstanding: Cell<usize>,
    idle: RefCell<Vec<(TcpStream, Instant)>>,
    records: RefCell<Vec<Record>>,
}

impl Flood {
    /// Runs the flood, and waits for the answers that still come in time.
    pub(crate) fn run(&self, start: Instant) -> io::Result<Vec<Record>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Rc::new(State::new(self.clone(), start));
        LocalSet::new().block_on(&runtime, drive(Rc::clone(&shared), start));
        Ok(shared.records.take())
    }
}

async fn drive(state: Rc<State>, start: Instant) {
    let mut senders = JoinSet::new();
    for due in &state.flood.due {
        let due = start + *due;
        if due > Instant::now() {
            sleep_until(due.into()).await;
        }
        if state.outstanding.get() < state.flood.outstanding {
            state.outstanding.update(|count| count + 1);
            senders.spawn_local(send_while_due(Rc::clone(&state), due));
        } else {
            state.pending.borrow_mut().push_back(due);
        }
        while senders.try_join_next().is_some() {}
    }
    sleep_until((start + state.flood.time).into()).await;
    let never_sent = state.pending.take();
    let done = Instant::now();
    let never_sent = never_sent.into_iter().map(|due| Record {
        due,
        sent: None,
        done,
        outcome: Outcome::NotSent,
    });
    state.records.borrow_mut().extend(never_sent);
    while let Some(ended) = senders.join_next().await {
        ended.expect("a client does not panic");
    }
}

/// Sends what was due at `due`, then what has waited longest, until nothing waits any more.
async fn send_while_due(state: Rc<State>, due: Instant) {
    let mut next = Some(due);
    while let Some(due) = next {
        let record = state.send(due).await;
        state.records.borrow_mut().push(record);
        next = state.pending.borrow_mut().pop_front();
    }
    state.outstanding.update(|count| count - 1);
}

impl State {
    fn new(flood: Flood, start: Instant) -> Self {
        Self {
            give_up: start + flood.time + flood.drain,
            pending: RefCell::default(),
            outstanding: Cell::new(0),
            idle: RefCell::default(),
            records: RefCell::new(Vec::with_capacity(flood.due.len())),
            flood,
        }
    }

    async fn send(&self, due: Instant) -> Record {
        let sent = Cell::new(None);
        let outcome = timeout_at(self.give_up.into(), self.exchange(&sent)).await;
        Record {
            due,
            sent: sent.get(),
            done: Instant::now(),
            outcome: outcome.unwrap_or(Outcome::Unanswered),
        }
    }

    async fn exchange(&self, sent: &Cell<Option<Instant>>) -> Outcome {
        let stream = match self.idle() {
            Some(stream) => Ok(stream),
            None => exchange::connect(self.flood.address).await,
        };
        let Ok(mut stream) = stream else {
            return Outcome::Failed(Failure::Connect);
        };
        sent.set(Some(Instant::now()));
        let (outcome, after) = exchange::ask(&mut stream, &self.flood.request).await;
        if after == After::Open && self.flood.connections == Connections::KeptAlive {
            self.idle.borrow_mut().push((stream, Instant::now()));
        }
        outcome
    }

    /// The connection that was used last, so that those which nobody needs grow old and are dropped.
    fn idle(&self) -> Option<TcpStream> {
        let mut idle = self.idle.borrow_mut();
        match idle.pop() {
            Some((stream, used)) if used.elapsed() < IDLE_LIMIT => Some(stream),
            _ => {
                idle.clear();
                None
            }
        }
    }
}
