//! The naive delay: a loop that looks at the clock until the time has come.

use std::time::{Duration, Instant};

use actix_web::web;
use serde::Deserialize;

use crate::{errors::AppError, fields::WholeNumber};

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
    fn delay(&self) -> Result<Duration, AppError> {
        let millis = MS.read(self.ms.as_deref())?;
        Ok(Duration::from_millis(millis))
    }
}

/// `GET /timer?ms=9000`
pub(crate) async fn timer(query: web::Query<TimerQuery>) -> Result<&'static str, AppError> {
    busy_wait(query.delay()?);
    Ok("Ding Ding Ding")
}

/// `GET /block/timer?ms=9000`
pub(crate) async fn blocking(query: web::Query<TimerQuery>) -> Result<&'static str, AppError> {
    let delay = query.delay()?;
    web::block(move || busy_wait(delay)).await?;
    Ok("Ding Ding Ding")
}

fn busy_wait(delay: Duration) {
    let start = Instant::now();
    while start.elapsed() < delay {
        std::hint::spin_loop();
    }
}
