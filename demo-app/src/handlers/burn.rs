//! Work by the CPU clock: unlike waiting by the wall clock, two of these on one core take twice as long.

use std::time::Duration;

use actix_offload::clock::thread_cpu_time;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

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
    fn cost(&self) -> Result<Duration, AppError> {
        let millis = MS.read(self.ms.as_deref())?;
        Ok(Duration::from_millis(millis))
    }
}

/// `GET /burn?ms=50`
pub(crate) async fn burn(query: web::Query<BurnQuery>) -> Result<HttpResponse, AppError> {
    let cost = query.cost()?;
    let burned = burn_cpu(cost);
    Ok(answer(burned))
}

/// `GET /block/burn?ms=50`
pub(crate) async fn blocking(query: web::Query<BurnQuery>) -> Result<HttpResponse, AppError> {
    let cost = query.cost()?;
    let burned = web::block(move || burn_cpu(cost)).await?;
    Ok(answer(burned))
}

/// Computes for `cost`, and says how much it really was.
fn burn_cpu(cost: Duration) -> Duration {
    let start = thread_cpu_time();
    loop {
        let burned = thread_cpu_time().saturating_sub(start);
        if burned >= cost {
            return burned;
        }
        // The clock is a system call: most of the time should be the program's own.
        for n in 0..1_000_u64 {
            std::hint::black_box(n);
        }
    }
}

fn answer(burned: Duration) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "burned_ms": burned.as_secs_f64() * 1e3 }))
}
