//! Puts the app into a server of either framework, with the plugin around it or without.

mod on_actix;
mod on_axum;

use std::{io, net::SocketAddr, num::NonZero, thread};

use actix_offload::{BuildError, ProfileError};

pub use self::{
    on_actix::{Started, plugin, settings, start},
    on_axum::{EndedOnAxum, StartedOnAxum, start_on_axum},
};
use crate::cli::Args;

/// The routes that show the other ways to run heavy work: by method and path.
const SIDE_BY_SIDE: [(&str, &str); 10] = [
    ("GET", "/inline/timer"),
    ("GET", "/inline/burn"),
    ("GET", "/inline/sort"),
    ("GET", "/inline/json/stringify"),
    ("POST", "/inline/hash"),
    ("GET", "/block/timer"),
    ("GET", "/block/burn"),
    ("GET", "/block/sort"),
    ("GET", "/block/json/stringify"),
    ("POST", "/block/hash"),
];

/// Why the demo could not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The plugin could not be started.
    #[error("the plugin could not be started")]
    Build(#[from] BuildError),
    /// The address could not be listened on.
    #[error("could not listen on {addr}")]
    Bind {
        /// Which one.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server failed while it ran.
    #[error("the server failed")]
    Serve(#[source] io::Error),
    /// What was learned could not be saved.
    #[error("what was learned could not be saved")]
    Profile(#[from] ProfileError),
}

fn bind_error(args: &Args, source: io::Error) -> ServeError {
    ServeError::Bind {
        addr: args.addr,
        source,
    }
}

/// What the start message says of a mode.
fn said(mode: actix_offload::Mode) -> String {
    let why = match mode {
        actix_offload::Mode::Auto => "heavy requests leave the event loops",
        _ => "as the environment variable OFFLOAD says",
    };
    format!("{mode}: {why}")
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
