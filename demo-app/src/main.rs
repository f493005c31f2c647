//! The demo as a program: reads its flags, serves, says when it has stopped.
#![forbid(unsafe_code)]

use std::{
    io::{self, Write},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use actix_offload::Ended;
use clap::Parser;
use demo_app::{
    cli::{Args, Cli, Command, Framework},
    monit::{self, MonitArgs},
    server::{EndedOnAxum, ServeError, Started, start, start_on_axum},
};
use futures_util::future::poll_immediate;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// What the program ends with when a later signal did not let it finish.
const FORCED: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Monit(args)) = &cli.command {
        return watch(args);
    }
    log_to_stderr();
    let ended = match cli.serve.server {
        Framework::Actix => actix_web::rt::System::new().block_on(serve(&cli.serve)),
        Framework::Axum => serve_on_axum(&cli.serve),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(cause = cause(&error), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs nothing: the screen is the monitor's.
fn watch(args: &MonitArgs) -> ExitCode {
    match monit::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = match cause(&error) {
                cause if cause.is_empty() => error.to_string(),
                cause => format!("{error}: {cause}"),
            };
            // Nobody may be there to read it.
            let _said = writeln!(io::stderr(), "demo-app monit: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: &Args) -> Result<ExitCode, ServeError> {
    let started = start(args)?;
    let banner = started.to_string();
    let Started {
        mut server,
        offload,
        ..
    } = started;
    // The first poll starts the workers and takes over the signals. Whoever reads the banner may
    // stop the program at once.
    let Some(offload) = offload else {
        let ended = match poll_immediate(&mut server).await {
            Some(ended) => ended,
            None => {
                say(&banner);
                server.await
            }
        };
        ended.map_err(ServeError::Serve)?;
        say("demo-app has stopped");
        return Ok(ExitCode::SUCCESS);
    };
    let grace = Duration::from_secs(args.grace.into());
    let mut running = pin!(offload.run_until_signal(server, grace));
    let ended = match poll_immediate(&mut running).await {
        Some(ended) => ended,
        None => {
            say(&banner);
            running.await
        }
    };
    let ended = ended.map_err(ServeError::Serve)?;
    offload.save_profile()?;
    Ok(match ended {
        Ended::Forced => {
            say("demo-app was stopped before its requests had ended");
            ExitCode::from(FORCED)
        }
        Ended::Drained(drained) => {
            say(&format!("demo-app has stopped: {drained}"));
            ExitCode::SUCCESS
        }
        _ => {
            say("demo-app has stopped");
            ExitCode::SUCCESS
        }
    })
}

fn serve_on_axum(args: &Args) -> Result<ExitCode, ServeError> {
    let started = start_on_axum(args)?;
    Ok(match started.run(|started| say(&started.to_string()))? {
        EndedOnAxum::Forced => {
            say("demo-app was stopped before its requests had ended");
            ExitCode::from(FORCED)
        }
        EndedOnAxum::Late => {
            say("demo-app has stopped: the grace was too short for some requests");
            ExitCode::SUCCESS
        }
        _ => {
            say("demo-app has stopped");
            ExitCode::SUCCESS
        }
    })
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
