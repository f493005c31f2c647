//! The patterns of an app and of all its scopes, put together from its tree of resources or from single patterns.

use std::collections::HashMap;

use actix_web::dev::ResourceDef;

use super::{
    enumerate::Node,
    level::Level,
    pattern::{Cut, End, cut, learned},
};

/// Stands for one full pattern of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PatternId(usize);

impl PatternId {
    /// The pattern's place in the list of all.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// The first level is the app's own; the others are those of its scopes.
#[derive(Debug, Default)]
pub(super) struct Levels {
    pub(super) patterns: Vec<Box<str>>,
    /// Each with what its patterns lead to, by order of registration.
    levels: Vec<(Level, Vec<Target>)>,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Resource(PatternId),
    /// The rest of the path is looked up in another level.
    Scope(usize),
}

/// How the search of one level ended.
pub(super) enum Outcome {
    Found(PatternId),
    /// All that matched was refused by the caller.
    Refused,
    /// Nothing matched, which ends the whole search: X2.
    DeadEnd,
}

impl Levels {
    /// Those of everything in an app.
    pub(super) fn complete(resources: &[Node]) -> Self {
        let mut build = Build::default();
        build.level("", resources);
        build.done
    }

    /// One of patterns of which neither the order nor the scopes are known.
    pub(super) fn learned(patterns: impl IntoIterator<Item = String>) -> Self {
        let mut build = Build::default();
        for pattern in patterns {
            build.intern(pattern);
        }
        let mut done = build.done;
        let patterns = done.patterns.iter().enumerate();
        let mut cuts: Vec<(Cut<'_>, &str, PatternId)> = patterns
            .map(|(id, pattern)| (cut(pattern, false), &**pattern, PatternId(id)))
            .collect();
        cuts.sort_by_key(|(cut, _, id)| (cut.breadth(), id.index()));
        let (mut level, mut targets) = (Level::new(), Vec::new());
        for (cut, pattern, id) in cuts {
            let ask = (cut.end == End::Ask).then(|| learned(pattern));
            level.add(targets.len(), &cut, ask.flatten());
            targets.push(Target::Resource(id));
        }
        done.levels.push((level, targets));
        done
    }

    /// Searches the level `at` for the first that matches `path` and that `accept` takes.
    pub(super) fn search(
        &self,
        at: usize,
        path: &str,
        accept: &mut impl FnMut(PatternId) -> bool,
    ) -> Outcome {
        let (level, targets) = &self.levels[at];
        let mut outcome = Outcome::DeadEnd;
        let mut from = 0;
        // X1, X2: one round, unless the caller refuses what was found.
        while let Some(hit) = level.first_match(path, from) {
            match targets[hit.order] {
                Target::Resource(id) if accept(id) => return Outcome::Found(id),
                Target::Resource(_) => outcome = Outcome::Refused,
                Target::Scope(inner) => {
                    // `None` only for an expression over which actix itself stumbles.
                    let Some(rest) = path.get(hit.end..) else {
                        return Outcome::DeadEnd;
                    };
                    match self.search(inner, rest, accept) {
                        Outcome::Refused => outcome = Outcome::Refused,
                        ended => return ended,
                    }
                }
            }
            from = hit.order + 1;
        }
        outcome
    }
}

#[derive(Default)]
struct Build {
    ids: HashMap<String, PatternId>,
    done: Levels,
}

impl Build {
    fn intern(&mut self, pattern: String) -> PatternId {
        let next = PatternId(self.done.patterns.len());
        let id = *self.ids.entry(pattern.clone()).or_insert(next);
        if id == next {
            self.done.patterns.push(pattern.into());
        }
        id
    }

    /// Adds the level that holds `nodes`, all of whose patterns follow `prefix`, and says where.
    fn level(&mut self, prefix: &str, nodes: &[Node]) -> usize {
        let at = self.done.levels.len();
        self.done.levels.push((Level::new(), Vec::new()));
        let (mut level, mut targets) = (Level::new(), Vec::new());
        for node in nodes {
            // A resource may have several patterns; actix names it by its first. One without any
            // can never match.
            let Some(first) = node.patterns.first() else {
                continue;
            };
            let full = format!("{prefix}{first}");
            node.add_to(&mut level, targets.len());
            targets.push(match &node.children {
                None => Target::Resource(self.intern(full)),
                Some(children) => Target::Scope(self.level(&full, children)),
            });
        }
        self.done.levels[at] = (level, targets);
        at
    }
}

impl Node {
    fn add_to(&self, level: &mut Level, order: usize) {
        if self.children.is_some() && self.patterns.len() > 1 {
            // Which of the prefixes matched decides what is left of the path.
            let nothing_known = Cut {
                steps: Vec::new(),
                end: End::Ask,
            };
            level.add(order, &nothing_known, Some(self.resource(None)));
            return;
        }
        for pattern in &self.patterns {
            let cut = cut(pattern, self.is_prefix);
            let ask = (cut.end == End::Ask).then(|| self.resource(Some(pattern)));
            level.add(order, &cut, ask);
        }
    }

    /// What actix makes of one of the patterns, or of all at once. It has taken them before.
    fn resource(&self, pattern: Option<&str>) -> ResourceDef {
        match (pattern, self.is_prefix) {
            (Some(pattern), true) => ResourceDef::prefix(pattern),
            (Some(pattern), false) => ResourceDef::new(pattern),
            (None, true) => ResourceDef::prefix(self.patterns.clone()),
            (None, false) => ResourceDef::new(self.patterns.clone()),
        }
    }
}
