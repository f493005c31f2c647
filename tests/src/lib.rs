//! What the end-to-end tests share: a server in its own thread, and a client that sees every byte.
#![forbid(unsafe_code)]

pub mod client;
pub mod connection;
pub mod loop_watch;
pub mod response;
pub mod server;
pub mod work;
