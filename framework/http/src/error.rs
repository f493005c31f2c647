//! What can be wrong with the settings of an adapter's `Offload`.

use std::{io, time::Duration};

/// A setting that cannot be used, or a resource that could not be had.
///
/// Each message names the setting and says what it accepts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
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
    /// The method of a `pin` or `serve` is none that HTTP names.
    #[error("`pin` and `serve` take an HTTP method such as GET, not {given:?}")]
    RouteMethod {
        /// What was given.
        given: String,
    },
    /// The pattern of a `pin` or `serve` does not begin with a slash.
    #[error("`pin` and `serve` take a full route pattern that begins with `/`, not {given:?}")]
    RoutePattern {
        /// What was given.
        given: String,
    },
    /// The same route is pinned to both sides.
    #[error("`pin` names {method} {pattern} twice with different placements")]
    PinTwice {
        /// The route's method.
        method: String,
        /// The route's pattern.
        pattern: String,
    },
    /// The text is no name of a header.
    #[error("`deadline_header` takes the name of a header such as x-timeout-ms, not {given:?}")]
    DeadlineHeader {
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
    /// The profile file could not be read, a damaged one could not be set aside, or the thread that saves it could not be started.
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

impl From<offload_core::BuildError> for BuildError {
    fn from(error: offload_core::BuildError) -> Self {
        match error.setting_name() {
            Some(_) => Self::LaneSetting(Box::new(error)),
            None => Self::Lane(Box::new(error)),
        }
    }
}
