//! The app on axum, for the ways that are compared there: bare, on a rayon pool, and behind the layer of `tower-offload`.

use std::{io, sync::Arc, sync::atomic::AtomicU64};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tower_offload::{Offload, Placement};

use super::{
    app::{BODY_LIMIT, Begun, Burn, HashRequest, Shared, heavy},
    demo::{Sort, Stringify},
    work,
};
use crate::alternative::Alternative;

type App = State<Arc<Shared>>;

fn failed<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn burn(
    shared: Arc<Shared>,
    count: fn(&Begun) -> &AtomicU64,
    asked: Burn,
) -> Result<&'static str, StatusCode> {
    let cost = std::time::Duration::from_millis(asked.ms);
    let burnt = heavy(shared, count, move || work::burn(cost)).await;
    burnt.map(|()| "burnt").map_err(failed)
}

async fn hash(
    State(shared): App,
    Json(asked): Json<HashRequest>,
) -> Result<Json<Value>, StatusCode> {
    let hash = move || work::hash(&asked.password);
    let hashed = heavy(shared, |begun| &begun.hash, hash).await;
    let phc = hashed.map_err(failed)?.map_err(failed)?;
    Ok(Json(json!({ "phc": phc })))
}

async fn round_trip(State(shared): App, body: Bytes) -> Result<impl IntoResponse, StatusCode> {
    let json = heavy(shared, |begun| &begun.json, move || work::round_trip(&body)).await;
    let json = json.map_err(failed)?.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(([(CONTENT_TYPE, "application/json")], json))
}

async fn panic(State(shared): App) -> StatusCode {
    let panicked = heavy(shared, |begun| &begun.panic, work::panic).await;
    panicked.map_or_else(failed, |()| StatusCode::OK)
}

async fn sort(State(shared): App, Query(asked): Query<Sort>) -> Result<Json<Value>, StatusCode> {
    let n = asked.n;
    let sorted = shared.alternative().run(move || work::sort(n)).await;
    let middle = sorted.map_err(failed)?;
    Ok(Json(json!({ "n": n, "middle": middle })))
}

async fn stringify(
    State(shared): App,
    Query(asked): Query<Stringify>,
) -> Result<impl IntoResponse, StatusCode> {
    let stringify = move || work::stringify(asked.items);
    let json = shared.alternative().run(stringify).await;
    let json = json.map_err(failed)?.map_err(failed)?;
    Ok(([(CONTENT_TYPE, "application/json")], json))
}

async fn parse(State(shared): App, body: Bytes) -> Result<Json<Value>, StatusCode> {
    let values = shared.alternative().run(move || work::parse(&body)).await;
    let values = values
        .map_err(failed)?
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Json(json!({ "values": values })))
}

fn routes(shared: Arc<Shared>) -> Router {
    let burning = |count: fn(&Begun) -> &AtomicU64| {
        get(move |State(shared): App, Query(asked): Query<Burn>| burn(shared, count, asked))
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/burn", burning(|begun| &begun.burn))
        .route("/a/burn", burning(|begun| &begun.a))
        .route("/b/burn", burning(|begun| &begun.b))
        .route("/hash", post(hash))
        .route("/json", post(round_trip))
        .route("/carry", post(async |body: Bytes| body))
        .route("/panic", get(panic))
        .route(
            "/stats",
            get(async |State(shared): App| Json(shared.stats())),
        )
        .route("/sort", get(sort))
        .route("/json/stringify", get(stringify))
        .route("/json/parse", post(parse))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(shared)
}

/// The app as this alternative has it.
pub(super) fn app(alternative: Alternative) -> io::Result<Router> {
    let mut app = routes(Arc::new(Shared::new(alternative)));
    if alternative.is_layer() {
        let offload = Offload::builder().pin("GET", "/stats", Placement::Loop);
        app = app.layer(offload.build().map_err(io::Error::other)?.layer());
    }
    Ok(app)
}

/// Serves until the process is told to end, on tokio's own number of workers, which is that of the cores.
pub(super) fn listen(alternative: Alternative) -> io::Result<()> {
    let app = app(alternative)?;
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut end = signal(SignalKind::terminate())?;
        println!("{}", listener.local_addr()?);
        // As in axum's example, and as the peer on axum has it.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app)
            .with_graceful_shutdown(async move {
                let _asked = end.recv().await;
            })
            .await
    })
}
