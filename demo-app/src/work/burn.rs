//! Work by the CPU clock: unlike waiting by the wall clock, two of these on one core take twice as long.

use std::time::Duration;

use actix_offload::clock::thread_cpu_time;
use serde::{Deserialize, Serialize};

use crate::{errors::AppError, fields::WholeNumber};

const MS: WholeNumber = WholeNumber {
    field: "ms",
    default: 50,
    max: 60_000,
};

#[derive(Debug, Deserialize)]
pub(crate) struct BurnQuery {
    ms: Option<String>,
}

impl BurnQuery {
    pub(crate) fn cost(&self) -> Result<Duration, AppError> {
        let millis = MS.read(self.ms.as_deref())?;
        Ok(Duration::from_millis(millis))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Burned {
    burned_ms: f64,
}

/// Computes for `cost`, and says how much it really was.
pub(crate) fn burn_cpu(cost: Duration) -> Burned {
    let start = thread_cpu_time();
    loop {
        let burned = thread_cpu_time().saturating_sub(start);
        if burned >= cost {
            return Burned {
                burned_ms: burned.as_secs_f64() * 1e3,
            };
        }
        // The clock is a system call: most of the time should be the program's own.
        for n in 0..1_000_u64 {
            std::hint::black_box(n);
        }
    }
}
