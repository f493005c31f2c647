//! What the benchmarks share: the ways to run a closure off an event loop that are compared.

use std::future::Future;

use actix_web::web;
use offload_core::{Lane, Priority};

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
    /// A lane of `offload-core`.
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
        lane: &Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self {
            Self::Inline => work(),
            Self::WebBlock => web::block(work).await.expect("web::block runs it"),
            Self::SpawnBlocking => tokio::task::spawn_blocking(work)
                .await
                .expect("spawn_blocking runs it"),
            Self::TokioRayon => tokio_rayon::spawn_fifo(work).await,
            Self::Lane => lane.run(work).await.expect("the lane runs it"),
        }
    }
}

/// Runs `future` on an actix runtime of its own, as on an event loop.
pub fn on_event_loop<T>(future: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(future)
}

/// A lane as the plugin makes its short one.
///
/// # Panics
///
/// If the threads cannot be started.
pub fn lane() -> Lane {
    let lane = Lane::builder().name("bench");
    let lane = lane.priority(Priority::background());
    lane.build().expect("a lane")
}
