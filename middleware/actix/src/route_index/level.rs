//! What is registered side by side, and which of it matches a path and was registered first.
//!
//! A tree of segments: each node has a child per literal segment and one for `{name}`. A search
//! visits at most the two children that fit each segment of the path, and of those only the ones below
//! which something was registered before the best match so far.

use actix_web::dev::ResourceDef;

use super::pattern::{Cut, End};

const ROOT: usize = 0;

/// Patterns by their segments, in the app or in one of its scopes.
#[derive(Debug)]
pub(super) struct Level {
    nodes: Vec<Node>,
}

/// What matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The number under which the pattern was registered.
    pub(super) order: usize,
    /// Where in the path the match ends: a prefix leaves something over.
    pub(super) end: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// The first order in this node or below.
    first: usize,
    /// Every path begins with an empty segment, and comparing it with an empty `Box<str>` was measured
    /// to take 90 ns, ten times the rest of a search: probably because a vectorised comparison loads
    /// from the address that an empty box only pretends to have, which the processor has to undo.
    empty: Option<usize>,
    /// By length and text.
    literals: Vec<(Box<str>, usize)>,
    any: Option<usize>,
    /// Those whose steps lead here, by order.
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    order: usize,
    end: End,
    /// For [`End::Ask`].
    ask: Option<Box<ResourceDef>>,
}

impl Level {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    /// Adds a pattern; what only actix understands of it, `ask` does. Orders are added in ascending order.
    pub(super) fn add(&mut self, order: usize, cut: &Cut<'_>, ask: Option<ResourceDef>) {
        let mut at = ROOT;
        for step in &cut.steps {
            at = self.child(at, *step, order);
        }
        self.nodes[at].patterns.push(Pattern {
            order,
            end: cut.end,
            ask: ask.map(Box::new),
        });
    }

    fn child(&mut self, at: usize, step: Option<&str>, order: usize) -> usize {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let child = match step {
            None => *node.any.get_or_insert(new),
            Some("") => *node.empty.get_or_insert(new),
            Some(text) => match node.place(text) {
                Ok(place) => node.literals[place].1,
                Err(place) => {
                    node.literals.insert(place, (text.into(), new));
                    new
                }
            },
        };
        if child == new {
            self.nodes.push(Node {
                first: order,
                ..Node::default()
            });
        }
        child
    }

    /// The match with the lowest order that is at least `from`.
    pub(super) fn first_match(&self, path: &str, from: usize) -> Option<Hit> {
        let mut search = Search {
            nodes: &self.nodes,
            path,
            from,
            best: Hit {
                order: usize::MAX,
                end: 0,
            },
        };
        search.visit(ROOT, Some(0));
        (search.best.order != usize::MAX).then_some(search.best)
    }
}

impl Node {
    fn place(&self, text: &str) -> Result<usize, usize> {
        self.literals.binary_search_by(|(key, _)| {
            let by_length = key.len().cmp(&text.len());
            by_length.then_with(|| (**key).cmp(text))
        })
    }

    fn literal(&self, text: &str) -> Option<usize> {
        if text.is_empty() {
            return self.empty;
        }
        let place = self.place(text).ok()?;
        Some(self.literals[place].1)
    }
}

impl Pattern {
    /// Where in `path` the match ends, if there is one. The steps match, and `next` is where the segment behind them starts.
    fn end_of_match(&self, path: &str, next: Option<usize>) -> Option<usize> {
        match self.end {
            End::Here => next.is_none().then_some(path.len()),
            // The slash before the next segment is not part of what has matched.
            End::Prefix => Some(next.map_or(path.len(), |start| start.saturating_sub(1))),
            End::Tail => next.is_some().then_some(path.len()),
            End::Ask => match self.ask.as_deref()? {
                prefix if prefix.is_prefix() => prefix.find_match(path),
                whole => whole.is_match(path).then_some(path.len()),
            },
        }
    }
}

struct Search<'a> {
    nodes: &'a [Node],
    path: &'a str,
    from: usize,
    best: Hit,
}

impl Search<'_> {
    /// `next` is where the path's next segment starts, if there is one.
    fn visit(&mut self, at: usize, next: Option<usize>) {
        let node = &self.nodes[at];
        if node.first >= self.best.order {
            return;
        }
        if let Some(start) = next {
            let rest = &self.path[start..];
            let (segment, after) = match rest.bytes().position(|byte| byte == b'/') {
                Some(slash) => (&rest[..slash], Some(start + slash + 1)),
                None => (rest, None),
            };
            if let Some(child) = node.literal(segment) {
                self.visit(child, after);
            }
            if let Some(child) = node.any
                && !segment.is_empty()
            {
                self.visit(child, after);
            }
        }
        // After what is below, which has often settled the matter: to ask actix is dear.
        for pattern in &node.patterns {
            if pattern.order >= self.best.order {
                return;
            }
            if pattern.order >= self.from
                && let Some(end) = pattern.end_of_match(self.path, next)
            {
                let order = pattern.order;
                self.best = Hit { order, end };
                return;
            }
        }
    }
}
