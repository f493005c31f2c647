//! Says which pins no app has a route for: somebody has misspelt a pattern, or forgotten a scope's prefix.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The pins of an [`Offload`](crate::Offload) that no app was found to have a route for so far.
///
/// They are told once, when the patterns of all apps are known that were begun: one app's pin is nothing to another.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Method and pattern.
    open: Vec<(String, String)>,
    /// How many apps there are whose patterns are not known.
    unknown_apps: usize,
}

impl Pins {
    pub(crate) fn new(pins: impl Iterator<Item = (String, String)>) -> Self {
        Self(Mutex::new(State {
            open: pins.collect(),
            unknown_apps: 0,
        }))
    }

    pub(super) fn app_begins(&self) {
        self.lock().unknown_apps += 1;
    }

    /// An app has ended before its patterns were known.
    pub(super) fn app_stays_unknown(&self) {
        let mut state = self.lock();
        state.unknown_apps = state.unknown_apps.saturating_sub(1);
    }

    /// The patterns of an app are known, which has those of which `has` says so.
    pub(super) fn app_is_known(&self, app: u32, has: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        state.unknown_apps = state.unknown_apps.saturating_sub(1);
        state.open.retain(|(_, pattern)| !has(pattern));
        if state.unknown_apps > 0 {
            return;
        }
        let unmet = std::mem::take(&mut state.open);
        drop(state);
        for (method, pattern) in unmet {
            tracing::warn!(
                target: "offload",
                parent: None, // It is no fault of the request that happens to be first.
                app,
                route = format_args!("{method} {pattern}"),
                "a pin matches no route: the app has no such pattern",
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
