//! JSON in and out, the work that most handlers of the world do most.

pub(crate) mod parse;
mod shape;
pub(crate) mod stringify;
