//! What is compared: the ways in which one app can deal with heavy work.

use std::time::Duration;

use actix_offload::{Offload, OffloadBuilder, Priority};
use actix_web::{Error, error::ErrorInternalServerError, web};
use clap::ValueEnum;
use serde::Serialize;

use crate::peer::{self, Peer};

/// A way to serve the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Alternative {
    /// Plain handlers behind `Offload::app`.
    Auto,
    /// Heavy work in `web::block`.
    Block,
    /// Heavy work on one plain rayon pool, by `tokio-rayon`.
    Rayon,
    /// Plain handlers, bare.
    Inline,
    /// axum, heavy work in `spawn_blocking`.
    Axum,
    /// Node, Express, as written.
    Express,
    /// Node, Express in one process per core.
    Cluster,
    /// Node, Express, heavy work in Piscina's worker threads.
    Piscina,
    /// Go, `net/http`.
    Go,
    /// Starlette on uvicorn, heavy work in its threads, one process per core.
    Starlette,
    /// As `auto`, but with lanes at the priority of everything else.
    AutoNormal,
    /// As `auto`, but with both lanes behind everything else.
    AutoIdle,
    /// As `auto`, but with one lane for short and long requests, as it was before there were two.
    AutoOneLane,
    /// As `auto`, but without a stall watch.
    AutoUnwatched,
}

impl Alternative {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Block => "web::block",
            Self::Rayon => "rayon",
            Self::Inline => "inline",
            Self::Axum => "axum",
            Self::Express => "express",
            Self::Cluster => "express cluster",
            Self::Piscina => "express piscina",
            Self::Go => "go",
            Self::Starlette => "starlette",
            Self::AutoNormal => "auto-normal",
            Self::AutoIdle => "auto-idle",
            Self::AutoOneLane => "auto-one-lane",
            Self::AutoUnwatched => "auto-unwatched",
        }
    }

    /// The server that this is, if it is not this program.
    pub(crate) fn peer(self) -> Option<&'static Peer> {
        match self {
            Self::Axum => Some(&peer::AXUM),
            Self::Express => Some(&peer::EXPRESS),
            Self::Cluster => Some(&peer::CLUSTER),
            Self::Piscina => Some(&peer::PISCINA),
            Self::Go => Some(&peer::GO),
            Self::Starlette => Some(&peer::STARLETTE),
            _ => None,
        }
    }

    /// The plugin as it is set for this, if it is there at all.
    pub(crate) fn plugin(self) -> Option<OffloadBuilder> {
        let plain = Offload::builder();
        match self {
            Self::Auto => Some(plain),
            Self::AutoNormal => Some(plain.priorities(Priority::Normal, Priority::Normal)),
            Self::AutoIdle => Some(plain.priorities(Priority::Idle, Priority::Idle)),
            Self::AutoOneLane => Some(plain.short_limit(Duration::from_secs(1)).spare_threads(0)),
            Self::AutoUnwatched => Some(plain.stall_watch(None)),
            _ => None,
        }
    }

    /// The name on the command line.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Block => "block",
            Self::Rayon => "rayon",
            Self::Inline => "inline",
            Self::Axum => "axum",
            Self::Express => "express",
            Self::Cluster => "cluster",
            Self::Piscina => "piscina",
            Self::Go => "go",
            Self::Starlette => "starlette",
            Self::AutoNormal => "auto-normal",
            Self::AutoIdle => "auto-idle",
            Self::AutoOneLane => "auto-one-lane",
            Self::AutoUnwatched => "auto-unwatched",
        }
    }

    /// Runs the heavy part of a handler in this way.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        match self {
            Self::Block => web::block(work).await.map_err(ErrorInternalServerError),
            Self::Rayon => Ok(tokio_rayon::spawn_fifo(work).await),
            _ => Ok(work()),
        }
    }
}
