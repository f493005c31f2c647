//! Why a job was not taken, in words that errors, counters and metrics share.

use std::fmt;

/// Why a job was not taken, or was dropped before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The queue had no room for it.
    QueueFull,
    /// It would have had to wait for longer than it may, by its deadline or its patience.
    TooLong,
    /// The lane takes nothing more, because the process is about to end.
    Closed,
    /// It was taken, and has waited for longer than it may.
    Expired,
}

impl Refusal {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::QueueFull, Self::TooLong, Self::Closed, Self::Expired];

    /// The word that metrics use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::TooLong => "would_wait_too_long",
            Self::Closed => "shutting_down",
            Self::Expired => "waited_too_long",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
