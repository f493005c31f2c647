//! The end-to-end tests of all crates, as one binary.
#![forbid(unsafe_code)]

mod responsive;
mod tidy;
