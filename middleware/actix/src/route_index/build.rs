//! Puts an index together, from an app's whole tree of resources or from single patterns.

use std::collections::HashMap;

use super::{
    Level, PatternId, RouteIndex, Target,
    complex::Complex,
    enumerate::Node,
    pattern::{Cut, cut},
};

/// An index of everything in an app.
pub(super) fn complete(resources: &[Node]) -> RouteIndex {
    let mut build = Build::default();
    build.level("", resources);
    build.finish(true)
}

/// An index of patterns of which neither the order nor the scopes are known.
pub(super) fn learned(patterns: impl IntoIterator<Item = String>) -> RouteIndex {
    let mut build = Build::default();
    for pattern in patterns {
        build.intern(pattern);
    }
    let mut level = Level::default();
    let mut cuts: Vec<(Cut<'_>, &str, PatternId)> = build
        .ids
        .iter()
        .map(|(pattern, id)| (cut(pattern, false), pattern.as_str(), *id))
        .collect();
    cuts.sort_by_key(|(cut, _, id)| (cut.breadth(), id.index()));
    for (cut, pattern, id) in cuts {
        let order = level.register(Target::Resource(id));
        match &cut {
            Cut::Segments(segments) => level.trie.add_segments(order, segments, false),
            Cut::Outline(outline) => {
                if let Some(complex) = Complex::learned(pattern, outline) {
                    level.trie.add_complex(order, &outline.lead, complex);
                }
            }
        }
    }
    build.levels.push(level);
    build.finish(false)
}

#[derive(Default)]
struct Build {
    ids: HashMap<String, PatternId>,
    levels: Vec<Level>,
}

impl Build {
    fn intern(&mut self, pattern: String) -> PatternId {
        let next = u32::try_from(self.ids.len()).expect("an app has fewer than 2^32 patterns");
        *self.ids.entry(pattern).or_insert(PatternId(next))
    }

    /// Adds the level that holds `nodes`, all of whose patterns follow `prefix`, and says where.
    fn level(&mut self, prefix: &str, nodes: &[Node]) -> usize {
        let at = self.levels.len();
        self.levels.push(Level::default());
        let mut level = Level::default();
        for node in nodes {
            // A resource may have several patterns; actix names it by its first. One without any
            // can never match.
            let Some(first) = node.patterns.first() else {
                continue;
            };
            let full = format!("{prefix}{first}");
            let order = match &node.children {
                None => {
                    let id = self.intern(full);
                    level.register(Target::Resource(id))
                }
                Some(children) => {
                    let inner = self.level(&full, children);
                    level.register(Target::Scope(inner))
                }
            };
            level.add(order, node);
        }
        self.levels[at] = level;
        at
    }

    fn finish(self, complete: bool) -> RouteIndex {
        let mut patterns: Vec<(String, PatternId)> = self.ids.into_iter().collect();
        patterns.sort_by_key(|(_, id)| id.index());
        let mut index = RouteIndex {
            patterns: patterns
                .into_iter()
                .map(|(pattern, _)| pattern.into_boxed_str())
                .collect(),
            levels: self.levels,
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
}

impl Level {
    fn register(&mut self, target: Target) -> u32 {
        let order = u32::try_from(self.targets.len()).expect("a scope has fewer than 2^32 parts");
        self.targets.push(target);
        order
    }

    fn add(&mut self, order: u32, node: &Node) {
        if node.children.is_some() && node.patterns.len() > 1 {
            // Which of the prefixes matched decides what is left of the path.
            self.trie.add_complex(order, &[], Complex::of_node(node));
            return;
        }
        for pattern in &node.patterns {
            match cut(pattern, node.is_prefix) {
                Cut::Segments(segments) => {
                    self.trie.add_segments(order, &segments, node.is_prefix);
                }
                Cut::Outline(outline) => {
                    let complex = Complex::new(pattern, node.is_prefix, &outline);
                    self.trie.add_complex(order, &outline.lead, complex);
                }
            }
        }
    }
}
