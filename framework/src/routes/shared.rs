//! What all routes of a table have in common.

use std::time::Instant;

use super::{moves::LatestMoves, tallies::Tallies};
use crate::placement::Rules;

/// What all routes of a table need.
pub(super) struct Shared {
    pub(super) rules: Rules,
    pub(super) capacity: usize,
    pub(super) started: Instant,
    pub(super) tallies: Tallies,
    pub(super) moves: LatestMoves,
}

/// An app, a method and a pattern.
pub(crate) type Name = (u32, Box<str>, Box<str>);
