#![doc = include_str!("docs.md")]
#![forbid(unsafe_code)]

mod answer;
mod app;
pub mod deadline;
pub mod decisions;
mod lane;
pub mod mode;
pub mod panics;
pub mod report;
mod seat;
pub mod server_timing;
mod serving;
pub mod terms;
mod unrouted;
mod visit;

pub use crate::{
    answer::Answer,
    app::{App, Arrival, Placed, RouteName, UNMATCHED, is_standard},
    lane::{LaneVisit, Stub, Ticket, Timing},
    mode::Mode,
    serving::{Pin, Serving, Settings, StartError},
    unrouted::{Pair, Unrouted},
    visit::{End, Visit},
};
