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
mod naming;
mod offload;
mod rest;
mod slot;
mod surroundings;

pub use offload_core::{
    CancelToken, Lanes, LanesBuilder, Priority, is_cancelled,
    placement::{Placement, Policy, Rules},
    routes::{RouteMove, RouteReport},
    stall::{Stall, StallWatch, StallWatchBuilder},
};
pub use offload_http::{
    StartError,
    mode::{Mode, UnknownMode},
    report::{LaneReport, LoopReport, StallReport},
};
pub use offload_macros::offload;

pub use crate::{
    body::OffloadBody,
    builder::OffloadBuilder,
    error::{BodyError, BoxError, BuildError},
    future::OffloadFuture,
    layer::{OffloadLayer, OffloadService},
    naming::Head,
    offload::{Offload, Report},
};

#[doc(hidden)]
pub use offload_core::__private;
