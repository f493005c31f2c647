//! Says which resource pattern actix will match a path to, before actix has routed it.
//!
//! The answer is that of `ResourceMap::match_pattern`, but flat in the number of routes and without
//! an allocation. (Two rare cases allocate: a path with `%` in it, which actix has to decode first,
//! and a scope whose own prefix holds a regular expression.) Invariants:
//!
//! - X1: of the patterns that match, side by side, the one that was registered first wins.
//! - X2: once a scope's prefix has matched, nothing registered beside the scope is looked at, even if
//!   nothing in the scope matches.
//! - X3: whatever is not plainly literals and `{name}` segments is decided by actix's own
//!   `ResourceDef`, so that its regular expressions can't be read differently here.
//!
//! Guards are not part of actix's resource map: see [`RouteIndex::find_where`].

mod debug_text;
mod enumerate;
mod level;
mod levels;
mod pattern;

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod tests;

use actix_http::Uri;
use actix_web::dev::{ResourceMap, Url};
use foldhash::HashMap;

use self::levels::{Levels, Outcome};
pub(crate) use self::{debug_text::EnumerateError, enumerate::Description, levels::PatternId};

/// All resource patterns of an app, ready to be looked up by path.
#[derive(Debug)]
pub(crate) struct RouteIndex {
    levels: Levels,
    /// What a path is found to be that is written as a pattern is, and so needs no search. None has a `%` in it.
    literal: HashMap<Box<str>, PatternId>,
    complete: bool,
}

impl RouteIndex {
    /// What [`RouteIndex::from_description`] needs of an app: `map` itself is bound to its thread,
    /// and reading it may take longer than an event loop should.
    pub(crate) fn describe(map: &ResourceMap) -> Description {
        Description::of(map)
    }

    /// Builds the index of all patterns of the app that was described, in order of registration.
    ///
    /// # Errors
    ///
    /// The description is not what the known versions of actix-web write.
    pub(crate) fn from_description(description: &Description) -> Result<Self, EnumerateError> {
        let levels = Levels::complete(&description.resources()?);
        Ok(Self::new(levels, true))
    }

    /// Builds an index of what is known of an app that could not be described.
    ///
    /// The order of registration is not known either, so the most specific of the patterns that match
    /// wins: a wider one that stood before it would have kept it from ever being met. A pattern that
    /// actix would not take keeps its id and matches nothing.
    pub(crate) fn from_patterns(patterns: impl IntoIterator<Item = String>) -> Self {
        Self::new(Levels::learned(patterns), false)
    }

    fn new(levels: Levels, complete: bool) -> Self {
        let mut index = Self {
            levels,
            literal: HashMap::default(),
            complete,
        };
        // Each is looked up once as a path: an earlier pattern may take it, or none at all.
        let paths = index
            .patterns()
            .filter(|pattern| !pattern.contains(['%', '{']));
        let found = paths.filter_map(|path| index.find(path).map(|id| (path.into(), id)));
        index.literal = found.collect();
        index
    }

    /// Whether every pattern of the app is known, so that `None` means that none matches.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many different patterns there are.
    pub(crate) fn len(&self) -> usize {
        self.levels.patterns.len()
    }

    /// The full patterns by id, as `HttpRequest::match_pattern` spells them.
    pub(crate) fn patterns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.levels.patterns.iter().map(AsRef::as_ref)
    }

    /// The pattern that a request for `uri` will match.
    pub(crate) fn find_uri(&self, uri: &Uri) -> Option<PatternId> {
        let path = uri.path();
        if let Some(id) = self.literal.get(path) {
            return Some(*id);
        }
        if path.contains('%') {
            return self.find(Url::new(uri.clone()).path());
        }
        self.find(path)
    }

    /// The pattern that `path`, percent-decoded as actix does it, will match.
    pub(crate) fn find(&self, path: &str) -> Option<PatternId> {
        self.find_where(path, |_| true)
    }

    /// The first pattern that matches `path` and that `accept` takes, which is asked in the order in
    /// which actix would ask a resource's guards.
    ///
    /// actix's resource map knows no guards, so neither does `ResourceMap::match_pattern`: for an app
    /// with `#[get("/{id}")]` and then `#[post("/import")]`, both say that `POST /import` is `/{id}`.
    /// A caller who has seen that a pattern does not take a method can refuse it here.
    pub(crate) fn find_where(
        &self,
        path: &str,
        mut accept: impl FnMut(PatternId) -> bool,
    ) -> Option<PatternId> {
        // The app itself is a scope without a prefix, and a prefix ends where a segment does.
        if !path.is_empty() && !path.starts_with('/') {
            return None;
        }
        match self.levels.search(0, path, &mut accept) {
            Outcome::Found(id) => Some(id),
            Outcome::Refused | Outcome::DeadEnd => None,
        }
    }
}
