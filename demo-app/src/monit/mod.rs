//! `demo-app monit`: shows in a terminal what a running server does. It reads the server's
//! `/_offload/state` and needs nothing else of it; it can be killed and started at any time.
//!
//! From the bottom up: `state` (what was read), `rates` and `history` (what became of it), `model` (all that is
//! known), `view` (lines of text of it), and then `terminal` and `plain`, the two ways to put them out.

mod app;
mod args;
mod client;
mod grid;
mod history;
mod model;
mod plain;
mod rates;
mod sort;
mod state;
mod terminal;
mod theme;
mod units;
mod view;

#[cfg(test)]
mod tests;

use std::{
    env,
    io::{self, IsTerminal},
    time::Duration,
};

pub use self::args::{MonitArgs, ServerUrl, UrlError};
use self::{client::Client, model::Model, plain::End};

/// Why the monitor ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitError {
    /// The last of the blocks that were asked for says that the server does not answer.
    #[error("{0}")]
    Unanswered(String),
    /// The text could not be written.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
    /// The terminal can't be drawn on, or gives no keys; `--plain` needs neither.
    #[error("the terminal cannot be used; --plain writes text")]
    Terminal(#[source] io::Error),
    /// One of its threads has ended, by a panic that is a mistake in this program.
    #[error("the monitor's thread {0} has ended")]
    ThreadEnded(&'static str),
    /// A thread could not be started, or no signals received.
    #[error("the monitor could not be started")]
    Start(#[source] io::Error),
}

/// Looks at a server until it is told to end.
///
/// # Errors
///
/// A [`MonitError`]. A server that does not answer is none, as long as the monitor may go on to ask.
pub fn run(args: &MonitArgs) -> Result<(), MonitError> {
    let every = Duration::from_millis(args.every);
    let client = Client::new(args.url.clone(), Client::patience(every));
    let model = Model::new(args.url.clone(), every.as_secs_f64());
    if args.plain || args.count.is_some() || !can_draw() {
        let mut out = io::stdout().lock();
        return match plain::run(&client, model, every, args.count, &mut out) {
            Ok(End::Done) => Ok(()),
            Ok(End::Failed(complaint)) => Err(MonitError::Unanswered(complaint)),
            Err(error) => Err(MonitError::Output(error)),
        };
    }
    terminal::run(client, model, every)
}

fn can_draw() -> bool {
    io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
