//! The end-to-end tests of all crates, as one binary.
#![forbid(unsafe_code)]

mod bodies;
mod conformance;
mod demo;
mod drain;
mod gate;
mod gone;
mod hop;
mod lifetimes;
mod live;
mod logs;
mod panics;
mod plugin;
mod responsive;
mod saturation;
mod server_timing;
mod stalls;
mod tidy;
mod writes;
