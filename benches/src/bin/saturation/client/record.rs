//! What became of one request.

use std::{io, time::Instant};

/// One request of a flow, from the moment at which it was due to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// When it should have been sent; in a closed loop, when it was.
    pub(crate) due: Instant,
    /// When its first byte was sent. None if it never was.
    pub(crate) sent: Option<Instant>,
    /// When its answer was complete, or it was given up.
    pub(crate) done: Instant,
    pub(crate) outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A whole answer.
    Answered { status: u16, refusal: Refusal },
    /// It was sent, in part at least, and something went wrong.
    Failed(Failure),
    /// No answer came for as long as the flow waits.
    Unanswered,
    /// The client had too many outstanding and never sent it.
    NotSent,
}

/// Whether a 503 is what it should be: `Retry-After` and a JSON body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Proper {
        /// When to come back, in seconds.
        retry_after: u32,
    },
    Improper,
    /// It is no 503.
    No,
}

/// What can go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection was had.
    Connect,
    /// The connection ended while the request was written, and no answer came.
    WhileSending,
    /// The connection ended after the whole request and before any byte of an answer.
    NoAnswer,
    /// The connection ended within the answer.
    WithinAnswer,
    /// The answer is no HTTP that this client understands.
    Malformed,
    /// Nothing came for as long as a connection waits.
    Timeout,
}

impl Failure {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::WhileSending => "cut while sending",
            Self::NoAnswer => "no answer",
            Self::WithinAnswer => "cut within the answer",
            Self::Malformed => "malformed answer",
            Self::Timeout => "timeout",
        }
    }

    /// What an error while reading an answer means, of which `got` bytes have come.
    pub(crate) fn reading(error: &io::Error, got: usize) -> Self {
        match (error.kind(), got) {
            (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, _) => Self::Timeout,
            (io::ErrorKind::InvalidData, _) => Self::Malformed,
            (_, 0) => Self::NoAnswer,
            (_, _) => Self::WithinAnswer,
        }
    }
}
