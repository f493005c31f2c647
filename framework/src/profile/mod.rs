//! What was learned, in a small versioned file, so that a restarted process begins warm.
//!
//! A profile is a cache: losing it costs some hops until all is learned again. So whatever is found in its place, be it
//! cut off, foreign or from a later version, is set aside and reported, and the process starts without it.

mod file;
mod text;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{cost::SizeBucket, placement::Placement};

pub use file::{Loaded, ProfileError};
pub use text::Damage;

const FORMAT: &str = "offload-profile";
const VERSION: u64 = 1;

/// What was learned of all routes: where each belongs, by body size, and how often it relapsed.
///
/// It comes from [`RouteTable::snapshot`](crate::routes::RouteTable::snapshot) or [`Profile::load`] and goes to
/// [`RouteTable::restore`](crate::routes::RouteTable::restore) or [`Profile::save`].
///
/// # Examples
///
/// ```
/// use offload_core::{placement::Rules, profile::{Loaded, Profile}, routes::RouteTable};
///
/// let file = std::env::temp_dir().join(format!("offload-doc-{}.json", std::process::id()));
/// assert!(matches!(Profile::load(&file)?, Loaded::Missing));
///
/// let profile = RouteTable::new(Rules::default()).snapshot();
/// profile.save(&file)?;
/// let Loaded::Profile(loaded) = Profile::load(&file)? else {
///     panic!("what was saved can be loaded");
/// };
/// assert_eq!(loaded, profile);
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    format: String,
    version: u64,
    budget_ns: u64,
    routes: Vec<KeptRoute>,
}

/// One route of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptRoute {
    pub(crate) app: u32,
    pub(crate) method: String,
    pub(crate) pattern: String,
    pub(crate) verdicts: Vec<KeptVerdict>,
}

/// What was learned of a route for one class of body sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptVerdict {
    pub(crate) body_size: SizeBucket,
    pub(crate) placement: Placement,
    pub(crate) relapses: u8,
}

impl Profile {
    pub(crate) fn new(budget: Duration, routes: Vec<KeptRoute>) -> Self {
        let mut profile = Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            budget_ns: u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX),
            routes,
        };
        profile.sort();
        profile
    }

    /// So that equal knowledge makes equal profiles and equal files.
    fn sort(&mut self) {
        self.routes.sort_by(|a, b| a.name().cmp(&b.name()));
    }

    /// The budget under which it was learned.
    #[must_use]
    pub fn budget(&self) -> Duration {
        Duration::from_nanos(self.budget_ns)
    }

    pub(crate) fn routes(&self) -> &[KeptRoute] {
        &self.routes
    }
}

impl KeptRoute {
    fn name(&self) -> (u32, &str, &str) {
        (self.app, &self.method, &self.pattern)
    }
}
