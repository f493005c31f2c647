//! What is compared: the ways in which one app can deal with heavy work.

use std::{num::NonZero, sync::LazyLock, thread, time::Duration};

use actix_offload::{Offload, OffloadBuilder, Priority};
use actix_web::{Error, error::ErrorInternalServerError, web};
use clap::ValueEnum;
use serde::{Serialize, Serializer};
use smol::lock::Semaphore;

use crate::{
    peer::{self, Peer},
    priorities::Priorities,
};

/// What names begin with that go on with priorities.
const AUTO_WITH: &str = "auto-";

/// The computations that smol's pool of threads for blocking calls runs at once: there may be 500 of these, as there may be 512 of
/// tokio's, before which the peer on axum has a semaphore likewise.
static SLOTS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(1, NonZero::get)));

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
    /// axum, plain handlers behind `tower-offload`'s layer.
    AxumOffload,
    /// axum, heavy work on one plain rayon pool, by `tokio-rayon`.
    AxumRayon,
    /// axum, plain handlers, bare.
    AxumInline,
    /// axum on smol, heavy work in `smol::unblock`.
    SmolUnblock,
    /// axum on smol, plain handlers behind `tower-offload`'s layer.
    SmolOffload,
    /// axum on smol, plain handlers, bare.
    SmolInline,
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
    /// As `auto`, but with lanes at these priorities.
    #[value(skip)]
    #[serde(untagged)]
    AutoWith(#[serde(serialize_with = "as_argument")] Priorities),
}

impl Alternative {
    /// The name in reports.
    pub(crate) fn name(self) -> String {
        let name = match self {
            Self::Block => "web::block",
            Self::Cluster => "express cluster",
            Self::Piscina => "express piscina",
            _ => return self.argument(),
        };
        name.to_owned()
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

    /// Whether this program serves it with axum.
    pub(crate) fn is_on_axum(self) -> bool {
        matches!(self, Self::AxumOffload | Self::AxumRayon | Self::AxumInline)
    }

    /// Whether this program serves it with axum on smol, with nothing of tokio's runtime.
    pub(crate) fn is_on_smol(self) -> bool {
        matches!(
            self,
            Self::SmolOffload | Self::SmolUnblock | Self::SmolInline
        )
    }

    /// Whether it is `tower-offload`'s layer.
    pub(crate) fn is_layer(self) -> bool {
        matches!(self, Self::AxumOffload | Self::SmolOffload)
    }

    /// Whether it is the plugin or the layer as it comes, which lose nothing under any load.
    pub(crate) fn is_ours(self) -> bool {
        self == Self::Auto || self.is_layer()
    }

    /// The plugin as it is set for this, if it is there at all.
    pub(crate) fn plugin(self) -> Option<OffloadBuilder> {
        let plain = Offload::builder();
        match self {
            Self::Auto => Some(plain),
            Self::AutoNormal => {
                Some(plain.lanes(|lanes| lanes.priorities(Priority::Normal, Priority::Normal)))
            }
            Self::AutoIdle => {
                Some(plain.lanes(|lanes| lanes.priorities(Priority::Idle, Priority::Idle)))
            }
            Self::AutoOneLane => Some(
                plain.lanes(|lanes| lanes.short_limit(Duration::from_secs(1)).spare_threads(0)),
            ),
            Self::AutoUnwatched => Some(plain.stall_watch(None)),
            Self::AutoWith(priorities) => Some(priorities.set(plain)),
            _ => None,
        }
    }

    /// The name on the command line.
    pub(crate) fn argument(self) -> String {
        match (self, self.to_possible_value()) {
            (Self::AutoWith(priorities), _) => format!("{AUTO_WITH}{priorities}"),
            (_, Some(value)) => value.get_name().to_owned(),
            (_, None) => unreachable!("only priorities are no value of `--only`"),
        }
    }

    /// The alternative of that name.
    pub(crate) fn of_argument(name: &str) -> Result<Self, String> {
        let priorities = name.strip_prefix(AUTO_WITH).map(str::parse);
        match priorities {
            Some(Ok(priorities)) => Ok(Self::AutoWith(priorities)),
            _ => Self::from_str(name, false),
        }
    }

    /// `auto` at these priorities of the short and the long lane, or with those it has by default.
    pub(crate) fn with_priorities(text: &str) -> Result<Self, String> {
        match text {
            "default" => Ok(Self::Auto),
            _ => text.parse().map(Self::AutoWith),
        }
    }

    /// A number of its own, for colours.
    pub(crate) fn number(self) -> usize {
        let all = Self::value_variants();
        match self {
            Self::AutoWith(priorities) => all.len() + priorities.number(),
            _ => all.iter().take_while(|other| **other != self).count(),
        }
    }

    /// Runs the heavy part of a handler in this way.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        match self {
            Self::Block => web::block(work).await.map_err(ErrorInternalServerError),
            Self::Rayon | Self::AxumRayon => Ok(tokio_rayon::spawn_fifo(work).await),
            Self::SmolUnblock => {
                let _slot = SLOTS.acquire().await;
                Ok(smol::unblock(work).await)
            }
            _ => Ok(work()),
        }
    }
}

fn as_argument<S: Serializer>(priorities: &Priorities, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Alternative::AutoWith(*priorities).argument())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name_on_the_command_line() {
        let with = Alternative::with_priorities("batch1-idle").expect("priorities");
        for alternative in Alternative::value_variants().iter().chain([&with]) {
            let name = alternative.argument();
            assert_eq!(Alternative::of_argument(&name), Ok(*alternative));
        }
        assert_eq!(with.name(), "auto-batch1-idle");
        assert_eq!(serde_json::json!(with), "auto-batch1-idle");
        assert_eq!(serde_json::json!(Alternative::AutoIdle), "auto_idle");
        assert!(Alternative::of_argument("auto-idle-never").is_err());
    }

    #[test]
    fn the_default_priorities_are_auto_itself() {
        assert_eq!(
            Alternative::with_priorities("default"),
            Ok(Alternative::Auto)
        );
        assert!(Alternative::with_priorities("low").is_err());
    }
}
