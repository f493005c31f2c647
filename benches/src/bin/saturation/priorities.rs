//! Other thread priorities of the two lanes than the default ones, so that several can be measured in the turns of one run.

use std::{fmt, str::FromStr, time::Duration};

use actix_offload::{Nice, OffloadBuilder, Priority};

/// The priorities of the short lane's threads and of the long lane's, written `batch1-batch5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Priorities {
    short: Level,
    long: Level,
}

/// The priority of one lane, in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Normal,
    Batch(Nice),
    /// In whole milliseconds, up to the kernel's most.
    Slice(u8),
    Idle,
}

/// The longest slice that the kernel grants, in milliseconds.
const LONGEST_SLICE: u8 = 100;

impl Priorities {
    /// The plugin with these.
    pub(crate) fn set(self, plugin: OffloadBuilder) -> OffloadBuilder {
        plugin.lanes(|lanes| lanes.priorities(self.short.priority(), self.long.priority()))
    }

    /// A small number that is another one for others.
    pub(crate) fn number(self) -> usize {
        self.short.number() * Level::COUNT + self.long.number()
    }
}

impl Level {
    const COUNT: usize = 21 + LONGEST_SLICE as usize;

    fn priority(self) -> Priority {
        match self {
            Self::Normal => Priority::Normal,
            Self::Batch(nice) => Priority::Batch { nice },
            Self::Slice(millis) => Priority::Slice(Duration::from_millis(millis.into())),
            Self::Idle => Priority::Idle,
        }
    }

    fn number(self) -> usize {
        match self {
            Self::Normal => 0,
            Self::Batch(nice) => nice.steps().into(),
            Self::Slice(millis) => 19 + usize::from(millis),
            Self::Idle => Self::COUNT - 1,
        }
    }
}

impl FromStr for Priorities {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let levels = text.split_once('-').and_then(|(short, long)| {
            Some(Self {
                short: Level::read(short)?,
                long: Level::read(long)?,
            })
        });
        levels.ok_or_else(|| {
            format!(
                "{text}: two of `normal`, `batch1` to `batch19`, `slice1` to `slice100` and `idle` are wanted, as in `batch1-idle`"
            )
        })
    }
}

impl Level {
    fn read(text: &str) -> Option<Self> {
        match text {
            "normal" => Some(Self::Normal),
            "idle" => Some(Self::Idle),
            _ => {
                if let Some(millis) = text.strip_prefix("slice") {
                    let millis = millis.parse().ok()?;
                    return (1..=LONGEST_SLICE)
                        .contains(&millis)
                        .then_some(Self::Slice(millis));
                }
                let steps = text.strip_prefix("batch")?.parse().ok()?;
                Nice::new(steps).map(Self::Batch)
            }
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Batch(nice) => write!(f, "batch{nice}"),
            Self::Slice(millis) => write!(f, "slice{millis}"),
            Self::Idle => f.write_str("idle"),
        }
    }
}

impl fmt::Display for Priorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.short, self.long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "normal-normal",
            "batch1-batch19",
            "batch10-idle",
            "slice1-slice100",
        ] {
            let priorities: Priorities = text.parse().expect(text);
            assert_eq!(priorities.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_is_wanted() {
        for text in [
            "normal",
            "batch0-idle",
            "batch20-idle",
            "slice0-slice1",
            "slice1-slice101",
            "idle-idle-idle",
            "-",
        ] {
            let error = text.parse::<Priorities>().expect_err(text);
            assert!(
                error.starts_with(text) && error.contains("batch19"),
                "{error}"
            );
        }
    }
}
