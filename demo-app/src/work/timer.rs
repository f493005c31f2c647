//! The naive delay: a loop that looks at the clock until the time has come.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::{errors::AppError, fields::WholeNumber};

/// What is answered when the time has come.
pub(crate) const RING: &str = "Ding Ding Ding";

const MS: WholeNumber = WholeNumber {
    field: "ms",
    default: 9_000,
    max: 60_000,
};

#[derive(Debug, Deserialize)]
pub(crate) struct TimerQuery {
    ms: Option<String>,
}

impl TimerQuery {
    pub(crate) fn delay(&self) -> Result<Duration, AppError> {
        let millis = MS.read(self.ms.as_deref())?;
        Ok(Duration::from_millis(millis))
    }
}

pub(crate) fn busy_wait(delay: Duration) -> &'static str {
    let start = Instant::now();
    while start.elapsed() < delay {
        std::hint::spin_loop();
    }
    RING
}
