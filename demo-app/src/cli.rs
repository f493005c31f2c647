//! What can be said on the command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum, value_parser};
use serde::Serialize;

use crate::monit::MonitArgs;

/// More threads than this are a slip of the finger, on any machine.
const MAX_THREADS: i64 = 1024;

/// An application with light and CPU-heavy routes, on actix-web or on axum.
///
/// Serves, unless it is given a command. Try `curl 'localhost:8080/timer?ms=9000'` and `curl localhost:8080/`
/// at the same time, with the plugin and with `--offload off --workers 1`.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo-app", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How to serve.
    #[command(flatten)]
    pub serve: Args,
}

/// What the program can do besides serving.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Shows in the terminal what a running server does
    Monit(MonitArgs),
}

/// How to serve.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo-app", version)]
pub struct Args {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub addr: SocketAddr,

    /// Which framework serves
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub server: Framework,

    /// How many event loops to run [default: one per logical core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=MAX_THREADS))]
    pub workers: Option<u16>,

    /// How many lane threads to run [default: one per logical core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=MAX_THREADS))]
    pub threads: Option<u16>,

    /// Whether heavy requests leave the event loops
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub offload: Mode,

    /// How long requests that are under way have to end when the server is asked to stop, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u16).range(1..=3600))]
    pub grace: u16,

    /// A file in which what was learned about the routes outlives the process
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
}

impl Default for Args {
    /// What no flags at all mean.
    fn default() -> Self {
        Self::parse_from(["demo-app"])
    }
}

/// Which framework serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Framework {
    /// actix-web with the plugin, and the pages that show it
    #[default]
    Actix,
    /// axum with the layer: the same application routes, without /lab, /metrics, /_offload/ and what `monit` reads
    Axum,
}

/// Whether the plugin is around the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The plugin finds the heavy routes and moves them to its lanes
    #[default]
    Auto,
    /// The very same app without the plugin
    Off,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(flags: &str) -> Result<Args, String> {
        let words = ["demo-app"].into_iter().chain(flags.split_whitespace());
        Args::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_flags_are_sound() {
        Args::command().debug_assert();
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_said_means_the_contract() {
        let args = Args::default();
        assert_eq!(args.addr, ([127, 0, 0, 1], 8080).into());
        assert_eq!(args.offload, Mode::Auto);
        assert_eq!((args.workers, args.threads), (None, None));
    }

    #[test]
    fn all_that_is_said_is_taken() {
        let args = parse("--addr [::1]:0 --workers 3 --threads 5 --offload off --profile p.json")
            .expect("parses");
        assert_eq!(args.addr, "[::1]:0".parse().expect("an address"));
        assert_eq!((args.workers, args.threads), (Some(3), Some(5)));
        assert_eq!(args.offload, Mode::Off);
        assert_eq!(args.profile, Some("p.json".into()));
    }

    #[test]
    fn it_serves_unless_it_is_told_to_watch() {
        let cli = |flags: &str| Cli::try_parse_from(format!("demo-app {flags}").split_whitespace());
        let serving = cli("--workers 3").expect("parses");
        assert!(serving.command.is_none());
        assert_eq!(serving.serve.workers, Some(3));
        let Some(Command::Monit(monit)) = cli("monit").expect("parses").command else {
            panic!("it serves");
        };
        assert_eq!(monit.url.to_string(), "http://127.0.0.1:8080");
        assert_eq!((monit.every, monit.count, monit.plain), (500, None, false));
        for wrong in [
            "--workers 3 monit",
            "monit --workers 3",
            "monit --every 0",
            "monit --count 0",
            "monit --url https://x",
            "watch",
        ] {
            cli(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn wrong_values_name_their_flag() {
        for (flags, named) in [
            ("--workers 0", "--workers"),
            ("--workers two", "--workers"),
            ("--workers 99999", "--workers"),
            ("--threads 0", "--threads"),
            ("--threads -1", "-1"),
            ("--threads 1025", "--threads"),
            ("--offload maybe", "--offload"),
            ("--server express", "--server"),
            ("--addr nowhere", "--addr"),
            ("--addr 127.0.0.1", "--addr"),
        ] {
            let said = parse(flags).expect_err(flags);
            assert!(said.contains(named), "{flags}: {said}");
        }
    }
}
