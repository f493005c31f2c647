//! Open-loop flows of a few hundred requests a second, with latencies exact to some microseconds.
//!
//! Each of a few threads takes the next request of the flow, sleeps until it is due, and asks on a connection of its own.
//! If all are still waiting for answers the request is late, and its latency counts from when it was due.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    connection::Connection,
    record::{Outcome, Record},
    request::Request,
};
use crate::limits;

/// An open-loop flow.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) address: SocketAddr,
    pub(crate) request: Request,
    /// When requests are due, counted from the start.
    pub(crate) due: Vec<Duration>,
    /// When the flow ends. What could not be sent by then is not sent at all.
    pub(crate) time: Duration,
    /// Connections, each with a thread.
    pub(crate) connections: usize,
}

impl Flow {
    /// Runs the flow and waits for all answers.
    pub(crate) fn run(&self, start: Instant) -> Vec<Record> {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections)
                .map(|_| scope.spawn(|| self.ask_while_due(start, &next)))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("a client does not panic"))
                .collect()
        })
    }

    fn ask_while_due(&self, start: Instant, next: &AtomicUsize) -> Vec<Record> {
        limits::keep_appointments();
        let mut connection = Connection::new(self.address);
        let mut records = Vec::new();
        while let Some(due) = self.due.get(next.fetch_add(1, Ordering::Relaxed)) {
            let due = start + *due;
            // Only who is free after the end is late: a sleep that ends a little after it is not.
            let late = Instant::now() > start + self.time;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let sent = Instant::now();
            let outcome = if late {
                Outcome::NotSent
            } else {
                connection.ask(&self.request)
            };
            records.push(Record {
                due,
                sent: (!late).then_some(sent),
                done: Instant::now(),
                outcome,
            });
        }
        records
    }
}
