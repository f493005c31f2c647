//! The few answers that the plugin gives itself, as values that each framework can make a response of.

use std::time::Duration;

use serde_json::{Value, json};

/// An answer of the plugin's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Too much heavy work waits already.
    Overloaded {
        /// How long the request would have waited.
        delay: Duration,
    },
    /// The server comes to its end, and no time is left for the request.
    Ending {
        /// How long it would have waited.
        delay: Duration,
    },
    /// The header in which the client says how long it waits cannot be read.
    BadDeadline {
        /// The header's name.
        header: String,
    },
    /// The handler panicked.
    Panicked,
}

impl Answer {
    /// What a job's end that was none is answered by.
    #[must_use]
    pub fn of(error: &offload_core::Error) -> Self {
        if error.is_panic() {
            return Self::Panicked;
        }
        Self::Overloaded {
            delay: error.projected_delay().unwrap_or_default(),
        }
    }

    /// The status: 503, 400 or 500.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Overloaded { .. } | Self::Ending { .. } => 503,
            Self::BadDeadline { .. } => 400,
            Self::Panicked => 500,
        }
    }

    /// The value of `Retry-After`, in whole seconds from 1 to 3,600.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Overloaded { delay } | Self::Ending { delay } => {
                Some(delay.as_secs_f64().ceil().clamp(1.0, 3600.0) as u64)
            }
            Self::BadDeadline { .. } | Self::Panicked => None,
        }
    }

    /// The body, which is JSON; `None` if there is none.
    #[must_use]
    pub fn body(&self) -> Option<Value> {
        Some(match self {
            Self::Overloaded { .. } | Self::Ending { .. } => json!({
                "error": "overloaded",
                "retry_after_seconds": self.retry_after(),
            }),
            Self::BadDeadline { header } => json!({
                "error": format!("header `{header}` must be a whole number of milliseconds"),
            }),
            Self::Panicked => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let seconds = |delay| Answer::Overloaded { delay }.retry_after();
        assert_eq!(seconds(Duration::ZERO), Some(1));
        assert_eq!(seconds(Duration::from_millis(2_100)), Some(3));
        assert_eq!(seconds(Duration::MAX), Some(3_600));
        assert_eq!(Answer::Panicked.retry_after(), None);
        let body = Answer::Overloaded {
            delay: Duration::from_millis(2_100),
        }
        .body();
        let expected = r#"{"error":"overloaded","retry_after_seconds":3}"#;
        assert_eq!(body.expect("has one").to_string(), expected);
    }
}
