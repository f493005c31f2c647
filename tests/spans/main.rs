//! What traces show of a request that moves to a lane.
//!
//! A test binary of its own, because a process has one subscriber and one propagator, which are those of an app here: what
//! OpenTelemetry gets, and log lines.
#![forbid(unsafe_code)]

#[path = "../it/gate.rs"]
mod gate;

mod ends;
mod hook;
mod hop;
mod layer;
mod lines;
mod logger;
mod telemetry;
