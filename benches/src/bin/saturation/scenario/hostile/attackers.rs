//! The clients that mean harm: each teaches the server that a route is light, as far as that helps, and then strikes.

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::{
    attack::{Attack, COMPUTES, SLEEPS},
    client::{
        connection::Connection,
        manual::Manual,
        record::{Failure, Outcome},
        request::{self, Request},
        streams,
    },
    server::hostile::HEAVY_BODY,
};

/// How many strike together, for each core.
const TOGETHER: usize = 10;
/// Light requests before all of it, so that a route is known as light.
const LESSON: usize = 300;
/// Light requests between two strikes.
const REMINDER: usize = 40;
/// Between two strikes of many.
const STRIKES: Duration = Duration::from_secs(2);
/// For how long the ends of bodies are held back: until all have begun.
const HELD: Duration = Duration::from_millis(100);
/// Between two requests of an attack that comes one by one.
const ONE_BY_ONE: Duration = Duration::from_millis(200);
/// How long a client stays that leaves after the heavy part.
const STAYS: Duration = Duration::from_millis(60);
/// Clients of unknown requests, for each core, and how often each asks.
const STRANGERS: usize = 4;
const ASKS: Duration = Duration::from_millis(800);

/// What became of the heavy requests of an attack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u32,
    pub(super) answered: u32,
    pub(super) refused: u32,
    /// Another status than 200 or 503, or none though the client waited.
    pub(super) odd: u32,
    /// The client did not wait for an answer.
    pub(super) left: u32,
}

impl Tally {
    fn count(&mut self, status: Option<u16>) {
        self.sent += 1;
        match status {
            Some(200) => self.answered += 1,
            Some(503) => self.refused += 1,
            _ => self.odd += 1,
        }
    }

    fn leave(&mut self) {
        self.sent += 1;
        self.left += 1;
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.refused += other.refused;
        self.odd += other.odd;
        self.left += other.left;
    }
}

/// Whom an attack is against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) cores: usize,
}

impl Target {
    /// Shows the server what it is to believe.
    pub(super) fn teach(self, attack: Attack) -> io::Result<()> {
        self.remind(attack, LESSON)
    }

    /// Attacks from `start` to `end`.
    pub(super) fn attack(self, attack: Attack, start: Instant, end: Instant) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let (period, first) = match attack {
            Attack::HeldBodies => (STRIKES, start),
            // In the middle between the strikes of the others.
            Attack::Streams => (STRIKES, start + (STRIKES / 2).min((end - start) / 4)),
            Attack::Cold => return Ok(self.ask_as_strangers(start, end)),
            _ => (ONE_BY_ONE, start),
        };
        every(period, first, end, |round| {
            self.remind(attack, if period == STRIKES { REMINDER } else { 4 })?;
            self.strike(attack, round, &mut tally)
        })?;
        Ok(tally)
    }

    /// Asks so many times for what is light.
    fn remind(self, attack: Attack, times: usize) -> io::Result<()> {
        let light = match attack {
            Attack::HeldBodies => held_head_and(b"light please"),
            Attack::Streams => {
                return streams::ask_at_once(self.address, &path(attack, Duration::ZERO), times)
                    .map(drop);
            }
            // What a path looks like before the middleware has changed it.
            Attack::Rewritten => request::get("/pages/1"),
            Attack::Sleepers | Attack::Leavers => request::get(&path(attack, Duration::ZERO)),
            // That one is heavy, and the other unknown.
            Attack::Upgrades | Attack::Cold => return Ok(()),
        };
        let mut connection = Connection::new(self.address);
        for _ in 0..times {
            connection.ask(&light);
        }
        Ok(())
    }

    fn strike(self, attack: Attack, round: u32, tally: &mut Tally) -> io::Result<()> {
        match attack {
            Attack::HeldBodies => self.let_bodies_go(tally),
            Attack::Streams => {
                let heavy = path(attack, COMPUTES);
                let count = TOGETHER * self.cores;
                let statuses = streams::ask_at_once(self.address, &heavy, count)?;
                statuses.into_iter().for_each(|status| tally.count(status));
                Ok(())
            }
            Attack::Upgrades => {
                let after = if round.is_multiple_of(2) {
                    Duration::ZERO
                } else {
                    STAYS / 10
                };
                tally.leave();
                self.send_and_leave(&upgrade(), after, true)
            }
            Attack::Leavers => {
                tally.leave();
                let heavy = request::get(&path(attack, COMPUTES));
                self.send_and_leave(&heavy, STAYS, round.is_multiple_of(2))
            }
            Attack::Sleepers => {
                let mut connection = Connection::new(self.address);
                connection.ask(&request::get(&path(attack, Duration::ZERO)));
                tally.count(status(connection.ask(&request::get(&path(attack, SLEEPS)))));
                Ok(())
            }
            Attack::Rewritten => {
                let (path, ms) = (attack.path(), COMPUTES.as_millis());
                let odd = if round.is_multiple_of(2) {
                    format!("/{path}?ms={ms}")
                } else {
                    format!("{path}//?ms={ms}")
                };
                let outcome = Connection::new(self.address).ask(&request::get(&odd));
                tally.count(status(outcome));
                Ok(())
            }
            Attack::Cold => Ok(()),
        }
    }

    /// Begins many uploads, and ends all of them at the same time.
    fn let_bodies_go(self, tally: &mut Tally) -> io::Result<()> {
        let request = held_head_and(HEAVY_BODY);
        let (head, body) = request.split_at(request.len() - HEAVY_BODY.len());
        let open = |_| {
            let mut connection = Manual::open(self.address)?;
            connection.send(head)?;
            Ok(connection)
        };
        let opened: io::Result<Vec<Manual>> = (0..TOGETHER * self.cores).map(open).collect();
        let mut connections = opened?;
        thread::sleep(HELD);
        for connection in &mut connections {
            // One that has been refused meanwhile may be closed.
            let _sent = connection.send(body);
        }
        for mut connection in connections {
            let answer: Result<_, Failure> = connection.answer();
            tally.count(answer.ok().map(|answer| answer.status));
        }
        Ok(())
    }

    fn send_and_leave(self, request: &[u8], after: Duration, reset: bool) -> io::Result<()> {
        let mut connection = Manual::open(self.address)?;
        connection.send(request)?;
        thread::sleep(after);
        if reset { connection.reset() } else { Ok(()) }
    }

    /// Each asks for something else each time, on a connection of its own.
    fn ask_as_strangers(self, start: Instant, end: Instant) -> Tally {
        const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "PATCH", "MADE"];
        let ask = |stranger: usize| {
            let mut tally = Tally::default();
            let asked = every(ASKS, start, end, |round| {
                let number = round as usize * STRANGERS * self.cores + stranger;
                let method = METHODS[number % METHODS.len()];
                let (path, ms) = (Attack::Cold.path(), COMPUTES.as_millis());
                let request = format!(
                    "{method} {path}/{number}?ms={ms}&unique={number} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n",
                );
                let request: Request = request.into_bytes().into();
                tally.count(status(Connection::new(self.address).ask(&request)));
                Ok(())
            });
            asked.map_or(Tally::default(), |()| tally)
        };
        thread::scope(|scope| {
            let strangers: Vec<_> = (0..STRANGERS * self.cores)
                .map(|stranger| scope.spawn(move || ask(stranger)))
                .collect();
            let mut all = Tally::default();
            for stranger in strangers {
                all.add(stranger.join().expect("a client does not panic"));
            }
            all
        })
    }
}

/// Acts at every multiple of `period` that it is free at.
fn every(
    period: Duration,
    start: Instant,
    end: Instant,
    mut act: impl FnMut(u32) -> io::Result<()>,
) -> io::Result<()> {
    let (mut round, mut due) = (0, start);
    while due < end {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        act(round)?;
        round += 1;
        due = (due + period).max(Instant::now());
    }
    Ok(())
}

fn path(attack: Attack, cost: Duration) -> String {
    format!("{}?ms={}", attack.path(), cost.as_millis())
}

fn held_head_and(body: &[u8]) -> Request {
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        Attack::HeldBodies.path(),
        body.len(),
    );
    [head.as_bytes(), body].concat().into()
}

fn upgrade() -> Vec<u8> {
    let path = path(Attack::Upgrades, COMPUTES);
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .into_bytes()
}

fn status(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered { status, .. } => Some(status),
        _ => None,
    }
}
