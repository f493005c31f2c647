//! The demo as a program: reads its flags, serves, says when it has stopped.
#![forbid(unsafe_code)]

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use demo_app::{
    cli::Args,
    server::{ServeError, Started, start},
};
use futures_util::future::poll_immediate;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr();
    match actix_web::rt::System::new().block_on(serve(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = cause(&error), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: &Args) -> Result<(), ServeError> {
    let started = start(args)?;
    let banner = started.to_string();
    let Started {
        mut server,
        offload,
        ..
    } = started;
    // The first poll starts the workers and takes over the signals. Whoever reads the banner may
    // stop the program at once.
    let ended = match poll_immediate(&mut server).await {
        Some(ended) => ended,
        None => {
            say(&banner);
            server.await
        }
    };
    ended.map_err(ServeError::Serve)?;
    if let Some(offload) = offload {
        offload.save_profile()?;
    }
    say("demo-app has stopped");
    Ok(())
}

/// A reader that left, such as `head -1`, is no reason to end a server.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _said = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// `RUST_LOG` decides what is logged; without it, what is worth knowing in production.
fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
}

fn cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
