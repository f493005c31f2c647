//! Sorting: numbers that the client sent, and numbers that the server makes.

pub(crate) mod given;
pub(crate) mod number;
pub(crate) mod seeded;
