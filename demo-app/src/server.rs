//! Puts the app into a server, with the plugin around it or without.

use std::{fmt, io, net::SocketAddr, num::NonZero, thread};

use actix_offload::{BuildError, Offload, OffloadBuilder, Placement, ProfileError, ServerTiming};
use actix_web::{App, HttpServer, dev::Server};

use crate::{
    Demo,
    cli::{Args, Mode},
    lab,
};

/// The routes that show the other ways to run heavy work, and those that must answer under any load.
const ON_THE_LOOP: [(&str, &str); 12] = [
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
    ("GET", "/_offload/routes"),
    ("GET", "/metrics"),
];

/// A server that listens, and runs once it is awaited.
///
/// Its text tells people where it is and how it works.
#[must_use = "a server does nothing until it is awaited"]
pub struct Started {
    /// The server. With the plugin, [`Offload::run_until_signal`] ends it; without it ends by SIGINT or SIGTERM.
    pub server: Server,
    /// The address that it listens on.
    pub addr: SocketAddr,
    /// How many event loops it runs.
    pub workers: usize,
    /// The plugin, if it is around the app.
    pub offload: Option<Offload>,
}

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

/// Listens as `args` say.
///
/// # Errors
///
/// A [`ServeError`] if the address is taken or the plugin can't start.
///
/// # Panics
///
/// Panics if no actix system runs on the calling thread.
pub fn start(args: &Args) -> Result<Started, ServeError> {
    match args.offload {
        Mode::Auto => auto(args),
        Mode::Off => off(args),
    }
}

fn auto(args: &Args) -> Result<Started, ServeError> {
    let offload = plugin(args)?;
    let demo = Demo::auto(offload.clone());
    let app = move || App::new().configure(|cfg| demo.routes(cfg));
    let workers = offload.workers();
    let server = HttpServer::new(offload.app(app))
        .workers(workers)
        .shutdown_timeout(args.grace.into())
        .disable_signals()
        .on_connect(offload.on_connect())
        .bind(args.addr)
        .map_err(|source| bind_error(args, source))?;
    let addr = server.addrs().first().copied().unwrap_or(args.addr);
    Ok(Started {
        server: server.run(),
        addr,
        workers,
        offload: Some(offload),
    })
}

fn off(args: &Args) -> Result<Started, ServeError> {
    let demo = Demo::off();
    let workers = args.workers.map_or_else(cores, usize::from);
    let server = HttpServer::new(move || App::new().configure(|cfg| demo.routes(cfg)))
        .workers(workers)
        .shutdown_timeout(args.grace.into())
        .bind(args.addr)
        .map_err(|source| bind_error(args, source))?;
    let addr = server.addrs().first().copied().unwrap_or(args.addr);
    Ok(Started {
        server: server.run(),
        addr,
        workers,
        offload: None,
    })
}

/// The plugin as the demo sets it: the routes that are there for comparison, and those that must
/// answer under any load, are pinned to the event loop.
///
/// # Errors
///
/// A [`BuildError`] if the lane threads can't be started or the profile can't be read.
pub fn plugin(args: &Args) -> Result<Offload, BuildError> {
    settings(args).build()
}

/// The settings of the plugin as the arguments say, for who wants to change more of them.
pub fn settings(args: &Args) -> OffloadBuilder {
    let mut builder = Offload::builder().server_timing(ServerTiming::On).env();
    if let Some(workers) = args.workers {
        builder = builder.workers(workers.into());
    }
    if let Some(threads) = args.threads {
        builder = builder.threads(threads.into());
    }
    if let Some(file) = &args.profile {
        builder = builder.profile(file);
    }
    let lab = lab::PATHS.map(|path| ("GET", path));
    for (method, pattern) in ON_THE_LOOP.into_iter().chain(lab) {
        builder = builder.pin(method, pattern, Placement::Loop);
    }
    builder
}

fn bind_error(args: &Args, source: io::Error) -> ServeError {
    ServeError::Bind {
        addr: args.addr,
        source,
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "demo-app serves http://{}", self.addr)?;
        writeln!(f, "  experiment    http://{}/lab", self.addr)?;
        writeln!(f, "  event loops   {}", self.workers)?;
        match &self.offload {
            Some(offload) => {
                writeln!(f, "  lane threads  {}", offload.threads())?;
                let what = match offload.mode() {
                    actix_offload::Mode::Auto => "heavy requests leave the event loops",
                    _ => "as the environment variable OFFLOAD says",
                };
                writeln!(f, "  offload       {}: {what}", offload.mode())?;
                writeln!(f, "  live page     http://{}/_offload/", self.addr)?;
            }
            None => {
                writeln!(f, "  lane threads  none")?;
                writeln!(f, "  offload       off: the same app without the plugin")?;
            }
        }
        write!(f, "Ctrl-C or SIGTERM stops it")
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("addr", &self.addr)
            .field("workers", &self.workers)
            .field("offload", &self.offload)
            .finish_non_exhaustive()
    }
}
