//! How much of the plugin is at work, which operators decide without a new build; the only reader of the environment.

use std::{env, fmt, str::FromStr};

use offload_core::placement::Policy;

/// The variable that [`from_environment`] reads.
pub const VARIABLE: &str = "OFFLOAD";

/// What the variable and [`Mode::from_str`] take.
pub const ALLOWED: &str = "off, loop, lane or auto";

/// How much of the plugin is at work.
///
/// # Examples
///
/// ```
/// use offload_http::Mode;
///
/// assert_eq!("off".parse(), Ok(Mode::Off));
/// assert_eq!(Mode::default().to_string(), "auto");
/// let wrong = "none".parse::<Mode>().unwrap_err();
/// assert_eq!(wrong.to_string(), "a mode is off, loop, lane or auto, not \"none\"");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// What the application has set, which is learned placement unless it says otherwise.
    #[default]
    Auto,
    /// Every request runs on a lane, as under [`Policy::AlwaysLane`]. Light ones wait and are refused there with the others.
    Lane,
    /// Every request runs on its event loop, as under [`Policy::AlwaysLoop`], measured and watched; but for those that are pinned to the lane, and
    /// the bodies of `#[offload]`.
    Loop,
    /// The bare app: requests, responses and panics pass as if the plugin were not there, pins included, and nothing is measured. The lanes and their
    /// threads are there for those who call them. Bodies of `#[offload]` run on fallback lanes that the process makes for them.
    Off,
}

/// A text that names no [`Mode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mode is {ALLOWED}, not {given:?}")]
pub struct UnknownMode {
    given: String,
}

impl Mode {
    /// The policy that it forces.
    #[must_use]
    pub fn policy(self) -> Option<Policy> {
        match self {
            Self::Auto | Self::Off => None,
            Self::Lane => Some(Policy::AlwaysLane),
            Self::Loop => Some(Policy::AlwaysLoop),
        }
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Ok(match text {
            "auto" => Self::Auto,
            "lane" => Self::Lane,
            "loop" => Self::Loop,
            "off" => Self::Off,
            _ => {
                return Err(UnknownMode {
                    given: text.to_owned(),
                });
            }
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Lane => "lane",
            Self::Loop => "loop",
            Self::Off => "off",
        })
    }
}

/// What the environment says; `None` if it is not set or empty.
///
/// # Errors
///
/// The value, if it says nothing.
pub fn from_environment() -> Option<Result<Mode, String>> {
    let value = env::var_os(VARIABLE).filter(|value| !value.is_empty())?;
    let value = value.to_string_lossy();
    Some(value.parse().map_err(|_| value.into_owned()))
}
