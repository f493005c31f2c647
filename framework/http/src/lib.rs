#![doc = include_str!("docs.md")]
#![forbid(unsafe_code)]

mod answer;
mod app;
mod builder;
pub mod deadline;
pub mod decisions;
pub mod drain;
mod ending;
mod error;
mod keeper;
mod lane;
pub mod mode;
mod numbers;
pub mod panics;
mod plugin;
mod race;
pub mod report;
mod seat;
pub mod server_timing;
mod serving;
pub mod spans;
pub mod terms;
mod unrouted;
mod visit;

pub use crate::{
    answer::Answer,
    app::{App, Arrival, EMPTY, METHODS, Placed, RouteName, UNMATCHED, named},
    builder::{Adapter, OffloadBuilder, ReadsAhead, RequestSpan},
    ending::Ended,
    error::BuildError,
    lane::{LaneVisit, Stub, Ticket, Timing},
    mode::Mode,
    numbers::Number,
    plugin::{Pin, Plugin, Served, Settings},
    report::Report,
    serving::Serving,
    unrouted::{Pair, Unrouted},
    visit::{End, Visit},
};
