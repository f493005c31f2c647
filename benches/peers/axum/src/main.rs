//! The app on axum, with heavy work in `tokio::task::spawn_blocking`.
//!
//! Settings, and who advises them:
//! - A semaphore lets as many computations run at once as there are cores. Tokio's own limit is 512 threads, meant for
//!   blocking I/O, and its docs ask for a semaphore in front of CPU-bound work:
//!   <https://docs.rs/tokio/latest/tokio/task/fn.spawn_blocking.html>
//! - `TCP_NODELAY` is set as in axum's example: <https://docs.rs/axum/latest/axum/serve/trait.ListenerExt.html>
//! - SIGTERM ends it gracefully, as in <https://docs.rs/axum/latest/axum/serve/struct.Serve.html>
//! - Cargo's plain release profile: neither axum nor tokio advises another.
#![forbid(unsafe_code)]

use std::{
    io::{self, Read},
    num::NonZero,
    sync::LazyLock,
    thread,
    time::Duration,
};

use argon2::{Argon2, PasswordHash, PasswordHasher};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query},
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use nix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    task::spawn_blocking,
};

/// The harness's own servers allocate with it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY_LIMIT: usize = 16 << 20;

static SLOTS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(1, NonZero::get)));

#[derive(Deserialize)]
struct Burn {
    ms: u64,
}

#[derive(Deserialize)]
struct HashRequest {
    password: String,
}

fn failed<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn heavy<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StatusCode> {
    let slot = SLOTS.acquire().await.map_err(failed)?;
    // The slot goes along, because a client that leaves does not stop the work.
    let work = move || {
        let _slot = slot;
        work()
    };
    spawn_blocking(work).await.map_err(failed)
}

fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

async fn burn(Query(asked): Query<Burn>) -> Result<&'static str, StatusCode> {
    let cost = Duration::from_millis(asked.ms);
    let work = move || {
        let start = thread_cpu_time();
        while thread_cpu_time().saturating_sub(start) < cost {
            // The clock is a system call: most of the time should be the program's own.
            for number in 0..1_000_u64 {
                std::hint::black_box(number);
            }
        }
    };
    heavy(work).await.map(|()| "burnt")
}

async fn hash(Json(asked): Json<HashRequest>) -> Result<Json<Value>, StatusCode> {
    // Argon2's defaults are the contract's: argon2id, 19 MiB, two passes, one lane.
    let work = move || Argon2::default().hash_password(asked.password.as_bytes());
    let hashed: PasswordHash = heavy(work).await?.map_err(failed)?;
    Ok(Json(json!({ "phc": hashed.to_string() })))
}

async fn round_trip(body: Bytes) -> Result<impl IntoResponse, StatusCode> {
    let work =
        move || serde_json::from_slice(&body).and_then(|value: Value| serde_json::to_vec(&value));
    let json = heavy(work).await?.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(([(CONTENT_TYPE, "application/json")], json))
}

async fn serve() -> io::Result<()> {
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/burn", get(burn))
        .route("/hash", post(hash))
        .route("/json", post(round_trip))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut end = signal(SignalKind::terminate())?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            let _asked = end.recv().await;
        })
        .await
}

fn main() -> io::Result<()> {
    // So that this process never outlives the harness.
    thread::spawn(|| {
        let _ended = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Runtime::new()?.block_on(serve())
}
