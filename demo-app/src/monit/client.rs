//! Reads the state of a server, and says in a sentence why it could not be read.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use ureq::Agent;

use super::{
    args::ServerUrl,
    state::{State, StateError},
};

/// A state longer than this is none.
const MAX_BYTES: u64 = 64 << 20;

/// Asks one server for its state, again and again, on one connection while that works.
///
/// A connection belongs to one event loop of the server. If that one is stalled there is no answer, and
/// the next request opens a new connection, which another event loop may take.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    url: ServerUrl,
    patience: Duration,
}

/// Why there is no state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("does not answer: {0}")]
    Unreachable(String),
    #[error("has not answered for {:.1} s", .0.as_secs_f64())]
    Late(Duration),
    #[error("broke off: {0}")]
    Broken(String),
    #[error(
        "has no /_offload/state: it runs with --offload off, or was built without the live page"
    )]
    NotFound,
    #[error("does not show its state to us: status {0}")]
    Forbidden(u16),
    #[error("answers with status {0}")]
    Status(u16),
    #[error("answers with more than {} MiB", MAX_BYTES >> 20)]
    TooLong,
    #[error("answers with something that is not its state: {0}")]
    NotState(#[from] StateError),
}

/// What came of one request.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) result: Result<State, FetchError>,
    pub(crate) at: Instant,
}

impl Client {
    /// A client that waits for an answer for `patience` at most.
    pub(crate) fn new(url: ServerUrl, patience: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(patience))
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("demo-app-monit/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .build();
        Self {
            agent: config.new_agent(),
            url,
            patience,
        }
    }

    /// How long to wait for an answer when one is wanted `every` so often: long enough for a busy server, and so
    /// short that a stalled event loop is left for another one while it is still stalled.
    pub(crate) fn patience(every: Duration) -> Duration {
        (2 * every).clamp(Duration::from_secs(1), Duration::from_secs(10))
    }

    pub(crate) fn fetch(&self) -> Fetched {
        let result = self.read();
        Fetched {
            result,
            at: Instant::now(),
        }
    }

    fn read(&self) -> Result<State, FetchError> {
        let mut response = self
            .agent
            .get(self.url.state())
            .call()
            .map_err(|error| self.failed(error))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(FetchError::NotFound),
            status @ (401 | 403) => return Err(FetchError::Forbidden(status)),
            status => return Err(FetchError::Status(status)),
        }
        let body = response.body_mut().with_config().limit(MAX_BYTES);
        let json = body.read_to_vec().map_err(|error| self.failed(error))?;
        Ok(State::parse(&json)?)
    }

    fn failed(&self, error: ureq::Error) -> FetchError {
        match error {
            ureq::Error::Timeout(_) => FetchError::Late(self.patience),
            ureq::Error::BodyExceedsLimit(_) => FetchError::TooLong,
            ureq::Error::HostNotFound => FetchError::Unreachable("no such host".to_owned()),
            ureq::Error::ConnectionFailed => FetchError::Unreachable("no connection".to_owned()),
            ureq::Error::Io(error) => Self::lost(&error, self.patience),
            error => FetchError::Broken(error.to_string()),
        }
    }

    fn lost(error: &io::Error, patience: Duration) -> FetchError {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => FetchError::Late(patience),
            // It was there a moment ago.
            kind @ (io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof) => FetchError::Broken(kind.to_string()),
            kind @ (io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable) => FetchError::Unreachable(kind.to_string()),
            _ => FetchError::Unreachable(error.to_string()),
        }
    }
}

/// Fetches for as long as `tell` says that somebody listens, on a thread of its own: the keyboard does not wait for the
/// network. `tell` is dropped when the thread ends, whatever has ended it.
///
/// # Errors
///
/// An error if the thread can't be started.
pub(crate) fn watch(
    client: Client,
    every: Duration,
    tell: impl Fn(Fetched) -> bool + Send + 'static,
) -> io::Result<()> {
    let fetch = move || {
        loop {
            let began = Instant::now();
            if !tell(client.fetch()) {
                return;
            }
            thread::sleep(every.saturating_sub(began.elapsed()));
        }
    };
    thread::Builder::new()
        .name("monit-client".to_owned())
        .spawn(fetch)
        .map(drop)
}
