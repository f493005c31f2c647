//! What is compared: the ways in which one app can deal with heavy work.

use actix_web::{Error, error::ErrorInternalServerError, web};
use clap::ValueEnum;

/// A way to serve the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Alternative {
    /// Plain handlers behind `Offload::app`.
    Auto,
    /// Heavy work in `web::block`.
    Block,
    /// Heavy work on one plain rayon pool, by `tokio-rayon`.
    Rayon,
    /// Plain handlers, bare.
    Inline,
}

impl Alternative {
    /// All of them, in the order in which reports show them.
    pub(crate) const ALL: [Self; 4] = [Self::Auto, Self::Block, Self::Rayon, Self::Inline];

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Block => "web::block",
            Self::Rayon => "rayon",
            Self::Inline => "inline",
        }
    }

    /// The name on the command line.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Block => "block",
            Self::Rayon => "rayon",
            Self::Inline => "inline",
        }
    }

    /// Runs the heavy part of a handler in this way.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        match self {
            Self::Auto | Self::Inline => Ok(work()),
            Self::Block => web::block(work).await.map_err(ErrorInternalServerError),
            Self::Rayon => Ok(tokio_rayon::spawn_fifo(work).await),
        }
    }
}
