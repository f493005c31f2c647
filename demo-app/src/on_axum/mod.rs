//! The demo on axum: what this framework needs around the work, so that both servers give the same answers.

mod answers;
pub(crate) mod app;
mod extract;
mod handlers;
