//! The end-to-end tests of all crates, as one binary.
#![forbid(unsafe_code)]

mod bodies;
mod circles;
mod conformance;
mod demo;
mod drain;
mod gate;
mod gone;
mod hop;
mod lane_runtime;
mod learned;
mod lifetimes;
mod live;
mod logs;
mod operators;
mod paced;
mod panics;
mod paths;
mod plugin;
mod responsive;
mod saturation;
#[cfg(target_os = "linux")]
mod scarce;
mod server_timing;
mod stalls;
mod stopped;
mod tidy;
mod upgrades;
mod writes;
