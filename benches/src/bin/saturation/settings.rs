//! What a run is asked to do: the command line, and the sizes that follow from it.

use std::{num::NonZero, path::PathBuf, thread, time::Duration};

use clap::{Parser, ValueEnum, builder::PossibleValuesParser};

use crate::{alternative::Alternative, attack::Attack, scenario::Scenario};

/// Compares actix-offload with its alternatives when there is more heavy work than the cores can do.
#[derive(Debug, Parser)]
#[command(name = "saturation")]
pub(crate) struct Cli {
    /// Run each scenario for seconds instead of minutes
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// Only see it run, in moments and with few clients
    #[arg(long, hide = true)]
    smoke: bool,
    /// The alternatives to measure, separated by commas
    #[arg(
        long,
        value_delimiter = ',',
        value_enum,
        default_value = "auto,block,rayon,inline"
    )]
    only: Vec<Alternative>,
    /// Priorities of the short and the long lane with which to measure `auto` as well, separated by commas:
    /// `default,normal-normal,batch1-batch5,batch10-idle`
    #[arg(long, value_delimiter = ',', value_parser = Alternative::with_priorities)]
    priorities: Vec<Alternative>,
    /// What clients do in `hostile`, separated by commas; everything if none is named
    #[arg(long, value_delimiter = ',', value_enum)]
    attacks: Vec<Attack>,
    /// How often to measure each alternative, in turns
    #[arg(long, default_value_t = NonZero::<usize>::MIN)]
    rounds: NonZero<usize>,
    /// How long the load of a scenario lasts
    #[arg(long)]
    seconds: Option<NonZero<u32>>,
    /// Where to write a JSON file for each scenario, with plots of its latencies
    #[arg(long, default_value = "target/saturation")]
    pub(crate) out: PathBuf,
    /// What to run; everything if none is named
    #[arg(value_parser = PossibleValuesParser::new(Scenario::ALL.map(|scenario| scenario.name)))]
    scenarios: Vec<String>,
}

impl Cli {
    /// Reads the command line; ends the process if it asks for help or makes no sense.
    pub(crate) fn read() -> Self {
        Self::parse()
    }

    /// The scenarios to run.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &'static Scenario> {
        Scenario::ALL.iter().filter(|scenario| {
            let named = |name: &String| name == scenario.name;
            self.scenarios.is_empty() || self.scenarios.iter().any(named)
        })
    }

    /// The sizes of the run.
    pub(crate) fn settings(&self) -> Settings {
        let size = match (self.smoke, self.quick) {
            (true, _) => Size::Smoke,
            (false, true) => Size::Quick,
            (false, false) => Size::Full,
        };
        let mut only = [&self.only[..], &self.priorities[..]].concat();
        only.sort_unstable();
        only.dedup();
        let attacks = match &self.attacks[..] {
            [] => Attack::value_variants(),
            some => some,
        };
        Settings {
            size,
            only,
            attacks: attacks.to_vec(),
            rounds: self.rounds.get(),
            load: self
                .seconds
                .map(|seconds| Duration::from_secs(seconds.get().into())),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Full,
    Quick,
    Smoke,
}

/// The sizes of a run.
#[derive(Debug)]
pub(crate) struct Settings {
    size: Size,
    load: Option<Duration>,
    /// The alternatives to measure.
    pub(crate) only: Vec<Alternative>,
    /// What clients do that mean harm, where there are any.
    pub(crate) attacks: Vec<Attack>,
    /// How often to measure each.
    pub(crate) rounds: usize,
    /// The logical cores that servers and clients share.
    pub(crate) cores: usize,
}

impl Settings {
    /// One of three values, by the size of the run.
    pub(crate) fn pick<T>(&self, full: T, quick: T, smoke: T) -> T {
        match self.size {
            Size::Full => full,
            Size::Quick => quick,
            Size::Smoke => smoke,
        }
    }

    /// How long the load lasts: `full` or `quick` seconds, unless the command line says otherwise.
    pub(crate) fn load(&self, full: u64, quick: u64) -> Duration {
        let usual = self.pick(
            Duration::from_secs(full),
            Duration::from_secs(quick),
            Duration::from_millis(500),
        );
        self.load.unwrap_or(usual)
    }

    /// How long something beside the load lasts, which the command line does not change.
    pub(crate) fn span(&self, full: u64, quick: u64) -> Duration {
        self.pick(
            Duration::from_secs(full),
            Duration::from_secs(quick),
            Duration::from_millis(300),
        )
    }
}
