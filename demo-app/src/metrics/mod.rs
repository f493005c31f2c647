//! What the plugin knows, for Prometheus.

mod collector;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, ContentType},
    web::Data,
};

pub(crate) use self::collector::{Collector, NoMetrics};
use crate::errors::AppError;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(crate) async fn metrics(collector: Data<Collector>) -> HttpResponse {
    match collector.text().await {
        Ok(text) => HttpResponse::Ok()
            .content_type(CONTENT_TYPE)
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(text),
        // Prometheus comes again, and will find them.
        Err(why @ NoMetrics::TooManyAsk) => HttpResponse::ServiceUnavailable()
            .content_type(ContentType::plaintext())
            .body(format!("{why}\n")),
        Err(why @ NoMetrics::Ended) => AppError::from(why).answer(),
    }
}
