//! actix's server.

use std::{fmt, net::SocketAddr};

use actix_offload::{BuildError, Offload, OffloadBuilder, Placement};
use actix_web::{App, HttpServer, dev::Server};

use super::{SIDE_BY_SIDE, ServeError, bind_error, cores, said};
use crate::{
    Demo,
    cli::{Args, Mode},
    lab,
};

/// The pages that must answer under any load.
const PAGES: [(&str, &str); 2] = [("GET", "/_offload/routes"), ("GET", "/metrics")];

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
    let workers = args.workers.map_or_else(|| offload.workers(), usize::from);
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
    let mut builder = Offload::builder().server_timing(true).env();
    if let Some(threads) = args.threads {
        builder = builder.lanes(|lanes| lanes.threads(threads.into()));
    }
    if let Some(file) = &args.profile {
        builder = builder.profile(file);
    }
    let lab = lab::PATHS.map(|path| ("GET", path));
    for (method, pattern) in SIDE_BY_SIDE.into_iter().chain(PAGES).chain(lab) {
        builder = builder.pin(method, pattern, Placement::Loop);
    }
    builder
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "demo-app serves http://{}", self.addr)?;
        writeln!(f, "  experiment    http://{}/lab", self.addr)?;
        writeln!(f, "  event loops   {}", self.workers)?;
        match &self.offload {
            Some(offload) => {
                writeln!(f, "  lane threads  {}", offload.lanes().threads())?;
                writeln!(f, "  offload       {}", said(offload.mode()))?;
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
