//! The demo on actix-web: what this framework needs around the work, and the pages that show the plugin.

pub(crate) mod answers;
pub(crate) mod app;
mod handlers;
pub(crate) mod report;
mod text;
