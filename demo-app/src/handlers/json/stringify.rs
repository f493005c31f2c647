//! Builds many records and writes them as JSON.

use actix_web::{HttpResponse, http::header::ContentType, web};
use serde::{Deserialize, Serialize};

use crate::{errors::AppError, fields::WholeNumber};

const ITEMS: WholeNumber = WholeNumber {
    field: "items",
    default: 100_000,
    max: 5_000_000,
};

#[derive(Debug, Deserialize)]
pub(crate) struct StringifyQuery {
    items: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Record {
    id: u64,
    name: &'static str,
    score: f64,
    active: bool,
}

/// `GET /json/stringify?items=100000`
pub(crate) async fn stringify(
    query: web::Query<StringifyQuery>,
) -> Result<web::Json<Vec<Record>>, AppError> {
    let items = ITEMS.read(query.items.as_deref())?;
    Ok(web::Json(records(items)))
}

/// `GET /block/json/stringify?items=100000`
pub(crate) async fn blocking(query: web::Query<StringifyQuery>) -> Result<HttpResponse, AppError> {
    let items = ITEMS.read(query.items.as_deref())?;
    let body = web::block(move || serde_json::to_string(&records(items))).await??;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(body))
}

/// The same records each time.
fn records(items: u64) -> Vec<Record> {
    const NAMES: [&str; 4] = ["north", "east", "south", "west"];
    (0..items)
        .map(|id| Record {
            id,
            name: NAMES[(id % 4) as usize],
            // Spread over all of 0..1, so that the digits are as many as usual.
            score: id.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / u64::MAX as f64,
            active: id % 3 == 0,
        })
        .collect()
}
