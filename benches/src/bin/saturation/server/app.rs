//! The app: a light route, heavy ones of several kinds, and a count of the heavy ones that began.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{
    Error, HttpResponse,
    error::{ErrorBadRequest, ErrorInternalServerError},
    web::{self, Bytes, Data, Json, Query, ServiceConfig},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{demo, work};
use crate::alternative::Alternative;

/// The largest body that the app reads.
pub(super) const BODY_LIMIT: usize = 16 << 20;

/// How often the heavy part of a route began: a job that was dropped before it ran is not counted.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    pub(super) burn: AtomicU64,
    pub(super) a: AtomicU64,
    pub(super) b: AtomicU64,
    pub(super) hash: AtomicU64,
    pub(super) json: AtomicU64,
    pub(super) panic: AtomicU64,
}

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct Shared {
    alternative: Alternative,
    begun: Begun,
}

impl Shared {
    pub(crate) fn new(alternative: Alternative) -> Self {
        Self {
            alternative,
            begun: Begun::default(),
        }
    }

    /// In which way heavy work is done.
    pub(super) fn alternative(&self) -> Alternative {
        self.alternative
    }

    /// What has begun so far, as the harness reads it.
    pub(super) fn stats(&self) -> Value {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let begun = &self.begun;
        json!({
            "burn": read(&begun.burn),
            "a": read(&begun.a),
            "b": read(&begun.b),
            "hash": read(&begun.hash),
            "json": read(&begun.json),
            "panic": read(&begun.panic),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Burn {
    pub(super) ms: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct HashRequest {
    pub(super) password: String,
}

/// Runs heavy work in the way of the alternative, and counts its beginning.
pub(super) async fn heavy<T: Send + 'static>(
    shared: Arc<Shared>,
    count: fn(&Begun) -> &AtomicU64,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let alternative = shared.alternative;
    let counted = move || {
        count(&shared.begun).fetch_add(1, Ordering::Relaxed);
        work()
    };
    alternative.run(counted).await
}

async fn burn(
    shared: Data<Shared>,
    count: fn(&Begun) -> &AtomicU64,
    asked: Burn,
) -> Result<HttpResponse, Error> {
    let cost = Duration::from_millis(asked.ms);
    heavy(shared.into_inner(), count, move || work::burn(cost)).await?;
    Ok(HttpResponse::Ok().body("burnt"))
}

async fn hash(shared: Data<Shared>, asked: Json<HashRequest>) -> Result<HttpResponse, Error> {
    let password = asked.into_inner().password;
    let hashed = heavy(
        shared.into_inner(),
        |begun| &begun.hash,
        move || work::hash(&password),
    )
    .await?;
    let phc = hashed.map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().json(json!({ "phc": phc })))
}

async fn round_trip(shared: Data<Shared>, body: Bytes) -> Result<HttpResponse, Error> {
    let json = heavy(
        shared.into_inner(),
        |begun| &begun.json,
        move || work::round_trip(&body),
    )
    .await?;
    let json = json.map_err(ErrorBadRequest)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(json))
}

/// Gives a body back and computes nothing.
async fn carry(body: Bytes) -> Bytes {
    body
}

async fn panic(shared: Data<Shared>) -> Result<HttpResponse, Error> {
    heavy(shared.into_inner(), |begun| &begun.panic, work::panic).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn stats(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().json(shared.stats())
}

/// The routes of the app.
pub(crate) fn routes(shared: Data<Shared>, config: &mut ServiceConfig) {
    let burning = |count: fn(&Begun) -> &AtomicU64| {
        web::get().to(move |shared: Data<Shared>, asked: Query<Burn>| {
            burn(shared, count, asked.into_inner())
        })
    };
    config
        .app_data(shared)
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .route("/", web::get().to(|| async { "hello" }))
        .route("/burn", burning(|begun| &begun.burn))
        .route("/a/burn", burning(|begun| &begun.a))
        .route("/b/burn", burning(|begun| &begun.b))
        .route("/hash", web::post().to(hash))
        .route("/json", web::post().to(round_trip))
        .route("/carry", web::post().to(carry))
        .route("/panic", web::get().to(panic))
        .route("/stats", web::get().to(stats))
        .configure(demo::routes);
}
