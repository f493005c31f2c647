//! The end-to-end tests of all crates, as one binary.
#![forbid(unsafe_code)]

mod plugin;
mod demo;
mod responsive;
mod tidy;
