//! What runs on a lane thread: its own instance of the app, and one request at a time through it.

pub(crate) mod apps;
pub(crate) mod instance;
pub(crate) mod job;
pub(crate) mod run;
mod stream;
mod subject;
