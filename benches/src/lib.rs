//! What the benchmarks share: the ways to run a closure off an event loop that are compared, an app's service without a
//! server, counts of instructions, ratios of throughput, and the arguments of those that are no criterion's.

use std::{env, fmt, fs, future::Future, process::ExitCode};

use actix_http::Request;
use actix_service::{Service, ServiceFactory};
use actix_web::{dev::AppConfig, web};
use offload_core::{Lanes, Terms};

pub mod counting;
pub mod tax;

/// The ways in which a closure can be run, all of which give its result to an async caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// On the calling thread, as a naive handler does.
    Inline,
    /// `actix_web::web::block`.
    WebBlock,
    /// `tokio::task::spawn_blocking`.
    SpawnBlocking,
    /// The `tokio-rayon` crate, on rayon's global pool.
    TokioRayon,
    /// The short lane of `offload-core`.
    Lane,
}

impl Way {
    /// All ways, in the order in which reports show them.
    pub const ALL: [Self; 5] = [
        Self::Inline,
        Self::WebBlock,
        Self::SpawnBlocking,
        Self::TokioRayon,
        Self::Lane,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::WebBlock => "web::block",
            Self::SpawnBlocking => "spawn_blocking",
            Self::TokioRayon => "tokio-rayon",
            Self::Lane => "offload",
        }
    }

    /// Runs `work` in this way.
    ///
    /// # Panics
    ///
    /// If `work` panics, or a pool refuses it.
    pub async fn run<T: Send + 'static>(
        self,
        lanes: &Lanes,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self {
            Self::Inline => work(),
            Self::WebBlock => web::block(work).await.expect("web::block runs it"),
            Self::SpawnBlocking => tokio::task::spawn_blocking(work)
                .await
                .expect("spawn_blocking runs it"),
            Self::TokioRayon => tokio_rayon::spawn_fifo(work).await,
            Self::Lane => lanes
                .run_with(&Terms::new(), work)
                .await
                .expect("the lane runs it"),
        }
    }
}

/// Runs `future` on an actix runtime of its own, as on an event loop.
pub fn on_event_loop<T>(future: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(future)
}

/// Runs `future` on a runtime of tokio with one worker, which is the calling thread.
///
/// # Panics
///
/// If the runtime cannot be made.
pub fn on_one_worker<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

/// Lanes as the plugin makes them.
///
/// # Panics
///
/// If the threads cannot be started.
pub fn lanes() -> Lanes {
    Lanes::builder().name("bench").build().expect("lanes")
}

/// The service of an app, as an event loop has it.
///
/// # Panics
///
/// If the app does not start.
pub async fn service<S, F>(factory: F) -> S
where
    F: ServiceFactory<Request, Config = AppConfig, Service = S>,
    F::InitError: fmt::Debug,
    S: Service<Request>,
{
    let service = factory.new_service(AppConfig::default()).await;
    service.expect("starts")
}

/// Whether one round is enough: `cargo bench -- --test` and `cargo test --benches` only want to see it run.
pub fn only_once() -> bool {
    env::args().any(|arg| arg == "--test")
}

/// Writes what was measured to the file after `--json` on the command line, if there is one.
pub fn keep(report: &serde_json::Value) -> ExitCode {
    let Some(file) = env::args().skip_while(|arg| arg != "--json").nth(1) else {
        return ExitCode::SUCCESS;
    };
    match fs::write(&file, format!("{report:#}\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}
