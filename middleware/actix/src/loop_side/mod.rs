//! What runs on an event loop: decides where a request goes, runs the light ones, and waits for the
//! others. Nothing here blocks, takes a lock that a lane thread can hold for long, or computes.

pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod client;
pub(crate) mod context;
pub(crate) mod factory;
pub(crate) mod future;
mod hold;
pub(crate) mod lifeline;
mod look;
pub(crate) mod pace;
mod place;
pub(crate) mod run;
pub(crate) mod service;
#[cfg(test)]
mod simulation;
pub(crate) mod terms;
mod to_lane;
