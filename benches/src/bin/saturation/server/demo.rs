//! Heavy routes of the demo that the app has not under other names: a parallel sort, JSON out of nothing, JSON in.

use actix_web::{
    Error, HttpResponse,
    error::{ErrorBadRequest, ErrorInternalServerError},
    http::header::ContentType,
    web::{self, Bytes, Data, Query, ServiceConfig},
};
use serde::Deserialize;
use serde_json::json;

use super::{app::Shared, work};

#[derive(Debug, Deserialize)]
pub(super) struct Sort {
    pub(super) n: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Stringify {
    pub(super) items: u64,
}

async fn sort(shared: Data<Shared>, asked: Query<Sort>) -> Result<HttpResponse, Error> {
    let n = asked.n;
    let middle = shared.alternative().run(move || work::sort(n)).await?;
    Ok(HttpResponse::Ok().json(json!({ "n": n, "middle": middle })))
}

async fn stringify(shared: Data<Shared>, asked: Query<Stringify>) -> Result<HttpResponse, Error> {
    let items = asked.items;
    let json = shared
        .alternative()
        .run(move || work::stringify(items))
        .await?;
    let json = json.map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(json))
}

async fn parse(shared: Data<Shared>, body: Bytes) -> Result<HttpResponse, Error> {
    let values = shared.alternative().run(move || work::parse(&body)).await?;
    let values = values.map_err(ErrorBadRequest)?;
    Ok(HttpResponse::Ok().json(json!({ "values": values })))
}

/// Adds these routes to the app.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/sort", web::get().to(sort))
        .route("/json/stringify", web::get().to(stringify))
        .route("/json/parse", web::post().to(parse));
}
