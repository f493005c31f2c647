//! Sorting: numbers that the client sent, and numbers that the server makes.

pub(crate) mod given;
mod number;
pub(crate) mod seeded;
