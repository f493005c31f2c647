#![doc = include_str!("docs.md")]
#![forbid(unsafe_code)]

mod answers;
mod app_routes;
mod builder;
mod declared;
mod error;
mod hop;
mod json;
mod lane_side;
mod local;
mod loop_record;
mod loop_side;
mod offload;
mod panics;
mod profile;
mod report;
mod route_index;
mod server_timing;
mod serving;
mod shutdown;
mod spans;
mod wrap;

pub use offload_core::{
    CancelToken, CpuBudget, Error, JobHandle, Lane, Lanes, Nice, Priority, Run, Task, Terms,
    admission::{Rank, Weight},
    clock, is_cancelled,
    placement::{Placement, Policy},
    profile::ProfileError,
    routes::RouteReport,
};
pub use offload_macros::offload;

pub use crate::{
    builder::{OffloadBuilder, ServerTiming},
    error::BuildError,
    hop::body::{BodyError, OffloadBody},
    json::{Json, JsonConfig},
    loop_record::LoopReport,
    loop_side::{
        body::MeteredBody,
        future::{AppBody, OffloadFuture},
        service::{OffloadApp, OffloadService},
    },
    offload::Offload,
    report::{LaneReport, Report},
    serving::Serving,
    shutdown::{Drained, Ended},
    wrap::{OffloadMiddleware, WrapFuture},
};

#[doc = include_str!("under_load.md")]
pub mod under_load {}

#[doc(hidden)]
pub use offload_core::__private;
