#![doc = include_str!("docs.md")]
#![forbid(unsafe_code)]

mod answers;
mod app_routes;
#[cfg(feature = "live")]
mod blocking;
mod builder;
mod connect;
mod core;
mod declared;
mod hop;
mod lane_side;
mod lifetime;
#[cfg(feature = "live")]
mod live;
mod local;
mod loop_record;
mod loop_side;
mod maker;
#[cfg(feature = "metrics")]
mod metrics;
mod offload;
mod panics;
mod route_index;
mod server_timing;
mod shutdown;
mod start;
mod wrap;

#[cfg(feature = "metrics")]
pub use offload_core::metrics::{BOUNDS, Publisher};
pub use offload_core::{
    CancelToken, CpuBudget, Error, JobHandle, Lanes, LanesBuilder, Nice, Priority, Run, Task,
    Terms,
    admission::{Rank, Weight},
    clock, is_cancelled,
    placement::Placement,
    profile::ProfileError,
    routes::{RouteMove, RouteReport},
    stall::{Stall, StallCount, StallKind, StallWatch, StallWatchBuilder},
};
pub use offload_http::{
    BuildError, Ended, Mode, Report, Serving,
    drain::Drained,
    mode::UnknownMode,
    report::{LaneReport, LoopReport, StallReport},
};
pub use offload_macros::offload;

pub use crate::{
    builder::{Actix, OffloadBuilder},
    hop::{body::OffloadBody, stream::BodyError},
    loop_side::{
        body::MeteredBody,
        future::{AppBody, OffloadFuture},
        service::{OffloadApp, OffloadService},
    },
    offload::Offload,
    wrap::{OffloadMiddleware, WrapFuture},
};

#[cfg(feature = "live")]
pub use crate::live::Live;

#[doc = include_str!("find_what_blocks.md")]
pub mod find_what_blocks {}

#[doc = include_str!("under_load.md")]
pub mod under_load {}

#[doc = include_str!("hostile_clients.md")]
pub mod hostile_clients {}

#[doc(hidden)]
pub use offload_core::__private;
