//! Closed loops: clients that ask again as soon as they are answered, to keep a server busy and to find its capacity.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use super::{
    connection::Connection,
    record::{Outcome, Record, Refusal},
    request::Request,
};

/// How long a client waits after anything but a success, if the answer does not say. Without it a failure would be an
/// invitation to ask at once.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A number of clients that ask the same.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) address: SocketAddr,
    pub(crate) request: Request,
    pub(crate) count: usize,
}

impl Clients {
    /// Asks for `time`, and waits for all answers.
    pub(crate) fn run_for(&self, time: Duration) -> Vec<Record> {
        let end = Instant::now() + time;
        self.run(|_| Instant::now() < end, BACK_OFF)
    }

    /// Each client asks `times` times, without waiting after a failure.
    pub(crate) fn run_times(&self, times: usize) -> Vec<Record> {
        self.run(|asked| asked < times, Duration::ZERO)
    }

    fn run(&self, go_on: impl Fn(usize) -> bool + Sync, back_off: Duration) -> Vec<Record> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.count)
                .map(|_| scope.spawn(|| self.ask_while(&go_on, back_off)))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("a client does not panic"))
                .collect()
        })
    }

    fn ask_while(&self, go_on: impl Fn(usize) -> bool, back_off: Duration) -> Vec<Record> {
        let mut connection = Connection::new(self.address);
        let mut records = Vec::new();
        while go_on(records.len()) {
            let sent = Instant::now();
            let outcome = connection.ask(&self.request);
            let done = Instant::now();
            records.push(Record {
                due: sent,
                sent: Some(sent),
                done,
                outcome,
            });
            thread::sleep(match outcome {
                Outcome::Answered { status: 200, .. } => Duration::ZERO,
                Outcome::Answered {
                    refusal: Refusal::Proper { retry_after },
                    ..
                } if !back_off.is_zero() => Duration::from_secs(retry_after.into()),
                _ => back_off,
            });
        }
        records
    }
}
