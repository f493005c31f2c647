//! What can be wrong with the settings of an [`Offload`](crate::Offload).

use std::{io, time::Duration};

/// A setting that cannot be used, or a resource that could not be had.
///
/// Each message names the setting and says what it accepts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// `threads` is zero or absurdly large.
    #[error("`threads` must be between 1 and {max}, not {given}")]
    Threads {
        /// What was asked for.
        given: usize,
        /// The largest number that is accepted.
        max: usize,
    },
    /// `workers` is zero or absurdly large.
    #[error("`workers` must be between 1 and {max}, not {given}")]
    Workers {
        /// What was asked for.
        given: usize,
        /// The largest number that is accepted.
        max: usize,
    },
    /// `budget` is zero or longer than anyone would want an event loop to stand still.
    #[error("`budget` must be between {min:?} and {max:?}, not {given:?}")]
    Budget {
        /// What was asked for.
        given: Duration,
        /// The shortest budget that is accepted.
        min: Duration,
        /// The longest budget that is accepted.
        max: Duration,
    },
    /// `queue_bound` is zero or absurdly large.
    #[error("`queue_bound` must be between 1 and {max}, not {given}")]
    QueueBound {
        /// What was asked for.
        given: usize,
        /// The largest number that is accepted.
        max: usize,
    },
    /// The method of a `pin` or `serve` is not an HTTP method.
    #[error("`pin` and `serve` take an HTTP method such as GET, not {given:?}")]
    RouteMethod {
        /// What was given.
        given: String,
    },
    /// The pattern of a `pin` or `serve` does not begin with a slash.
    #[error("`pin` and `serve` take a full resource pattern that begins with `/`, not {given:?}")]
    RoutePattern {
        /// What was given.
        given: String,
    },
    /// A variable of the environment has a value that says nothing.
    #[error("the environment variable {variable} must be {allowed}, not {given:?}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// Its value.
        given: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// The same route is pinned to both sides.
    #[error("`pin` names {method} {pattern} twice with different placements")]
    PinTwice {
        /// The route's method.
        method: String,
        /// The route's pattern.
        pattern: String,
    },
    /// The profile file could not be read, or a damaged one could not be set aside.
    #[error("`profile` could not be loaded")]
    Profile(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A setting of the lanes has a value that is not allowed; the text names it.
    #[error(transparent)]
    LaneSetting(Box<dyn std::error::Error + Send + Sync>),
    /// The system does not give the threads that are needed. The text says how many it gives, which limit is reached as far as that
    /// can be told, and what to do.
    #[error(transparent)]
    NoThreads(Box<dyn std::error::Error + Send + Sync>),
    /// The threads of the lanes could not be started.
    #[error("the lanes' threads could not be started")]
    Lane(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread of the stall watch could not be started.
    #[error("the thread of the stall watch could not be started")]
    StallWatch(#[source] io::Error),
    /// The runtime that serves the lanes' timers and sockets could not be started.
    #[error("the runtime that serves the lanes' timers and sockets could not be started")]
    Runtime(#[source] io::Error),
}
