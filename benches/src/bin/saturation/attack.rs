//! What clients that mean harm do, one by one: the names that the program's arguments, its server and its reports use.

use std::time::Duration;

use clap::ValueEnum;

/// What one request of an attack computes.
pub(crate) const COMPUTES: Duration = Duration::from_millis(20);
/// For how long a request that sleeps keeps its thread.
pub(crate) const SLEEPS: Duration = Duration::from_millis(50);

/// A way to harm a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Attack {
    /// Small bodies of a light route whose ends come all at once, and that are not light.
    HeldBodies,
    /// Streams of one HTTP/2 connection that wait for the same moment and compute then.
    Streams,
    /// Requests for an upgrade of a heavy route, with a reset behind them.
    Upgrades,
    /// Every other request of a connection sleeps without letting go of its thread.
    Sleepers,
    /// Clients that leave when what they asked for has been computed.
    Leavers,
    /// Paths that a middleware changes into that of a heavy route, and that look like a light page's.
    Rewritten,
    /// A route that nobody has met, with another query and another method each time.
    Cold,
}

impl Attack {
    /// How many there are.
    pub(crate) const COUNT: usize = 7;

    /// The route that is asked.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::HeldBodies => "/attack/held",
            Self::Streams => "/attack/streams",
            Self::Upgrades => "/attack/upgrades",
            Self::Sleepers => "/attack/sleepers",
            Self::Leavers => "/attack/leavers",
            Self::Rewritten => "/attack/rewritten",
            Self::Cold => "/attack/cold",
        }
    }

    /// The name of its table.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::HeldBodies => "attack: held bodies",
            Self::Streams => "attack: streams of HTTP/2",
            Self::Upgrades => "attack: upgrades and resets",
            Self::Sleepers => "attack: sleepers",
            Self::Leavers => "attack: leavers",
            Self::Rewritten => "attack: rewritten paths",
            Self::Cold => "attack: unknown requests",
        }
    }

    /// For how long one request can keep a thread.
    pub(crate) fn dearest(self) -> Duration {
        match self {
            Self::Sleepers => SLEEPS,
            _ => COMPUTES,
        }
    }
}
