#![doc = include_str!("docs.md")]
#![forbid(unsafe_code)]

mod answers;
mod batch;
mod body;
mod builder;
mod error;
mod future;
mod lane;
mod layer;
mod layered;
mod naming;
mod offload;
mod rest;
mod shutdown;
mod slot;
mod surroundings;

#[cfg(feature = "metrics")]
pub use offload_core::metrics::Publisher;
pub use offload_core::{
    CancelToken, Lanes, LanesBuilder, Priority,
    admission::{Rank, Weight},
    is_cancelled,
    placement::Placement,
    profile::ProfileError,
    routes::{RouteMove, RouteReport},
    stall::{Stall, StallWatch, StallWatchBuilder},
};
pub use offload_http::{
    BuildError, Ended, Mode, Report, Serving,
    drain::Drained,
    mode::UnknownMode,
    report::{LaneReport, LoopReport, StallReport},
};
pub use offload_macros::offload;

#[cfg(feature = "tokio")]
pub use crate::shutdown::{Asked, run_until_signal};

pub use crate::{
    body::OffloadBody,
    builder::{OffloadBuilder, Tower},
    error::{BodyError, BoxError},
    future::OffloadFuture,
    layer::{OffloadLayer, OffloadService},
    naming::Head,
    offload::Offload,
};

#[doc(hidden)]
pub use offload_core::__private;
