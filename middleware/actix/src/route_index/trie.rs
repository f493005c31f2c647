//! Finds, among patterns that stand side by side, the one registered first of those that match.
//!
//! A tree of segments: each node has a child per literal segment and one for `{name}`. A search
//! visits at most the two children that fit each segment of the path, and of those only the ones below
//! which something was registered before the best match so far.

use foldhash::HashMap;

use super::{complex::Complex, pattern::Segment};

/// A few literals are compared faster than one is hashed.
const FEW: usize = 6;

const ROOT: u32 = 0;

/// Patterns by their segments.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

/// What matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The number under which the pattern was registered.
    pub(super) order: u32,
    /// Where in the path the match ends: a prefix leaves something over.
    pub(super) end: usize,
}

/// The lists hold orders, ascending.
#[derive(Debug)]
struct Node {
    /// The first order in this node or below.
    first: u32,
    literals: Literals,
    any: Option<u32>,
    /// Patterns that end here.
    ends: Vec<u32>,
    /// Prefixes that end here.
    prefixes: Vec<u32>,
    /// Patterns that take all segments from here on, at least one.
    tails: Vec<u32>,
    /// Patterns that begin with the segments down to here and need actix for the rest.
    complex: Vec<(u32, Complex)>,
}

#[derive(Debug, Default)]
struct Literals {
    /// Every path begins with an empty segment, and comparing it with an empty `Box<str>` was measured
    /// to take 90 ns, ten times the rest of a search: probably because a vectorised comparison loads
    /// from the address that an empty box only pretends to have, which the processor has to undo.
    empty: Option<u32>,
    few: Vec<(Box<str>, u32)>,
    many: HashMap<Box<str>, u32>,
}

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new()],
        }
    }
}

impl Trie {
    /// Adds a pattern that is wholly understood. Orders are added in ascending order.
    pub(super) fn add_segments(&mut self, order: u32, segments: &[Segment<'_>], is_prefix: bool) {
        let mut at = ROOT;
        self.reach(at, order);
        for segment in segments {
            at = match *segment {
                Segment::Literal(text) => self.literal_child(at, text),
                Segment::Any => self.any_child(at),
                Segment::Tail => {
                    self.node_mut(at).tails.push(order);
                    return;
                }
            };
            self.reach(at, order);
        }
        let node = self.node_mut(at);
        if is_prefix {
            node.prefixes.push(order);
        } else {
            node.ends.push(order);
        }
    }

    /// Adds a pattern that begins with the segments `lead` and needs actix for the rest.
    pub(super) fn add_complex(&mut self, order: u32, lead: &[&str], complex: Complex) {
        let mut at = ROOT;
        self.reach(at, order);
        for text in lead {
            at = self.literal_child(at, text);
            self.reach(at, order);
        }
        self.node_mut(at).complex.push((order, complex));
    }

    /// The match with the lowest order that is at least `from`.
    pub(super) fn first_match(&self, path: &str, from: u32) -> Option<Hit> {
        let mut search = Search {
            trie: self,
            path,
            from,
            best: Hit {
                order: u32::MAX,
                end: 0,
            },
        };
        search.visit(ROOT, Some(0));
        (search.best.order != u32::MAX).then_some(search.best)
    }

    fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: u32) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    fn reach(&mut self, at: u32, order: u32) {
        let node = self.node_mut(at);
        node.first = node.first.min(order);
    }

    fn push(&mut self) -> u32 {
        let at = u32::try_from(self.nodes.len()).expect("an app has fewer than 2^32 segments");
        self.nodes.push(Node::new());
        at
    }

    fn literal_child(&mut self, at: u32, text: &str) -> u32 {
        if let Some(child) = self.node(at).literals.find(text) {
            return child;
        }
        let child = self.push();
        self.node_mut(at).literals.insert(text, child);
        child
    }

    fn any_child(&mut self, at: u32) -> u32 {
        if let Some(child) = self.node(at).any {
            return child;
        }
        let child = self.push();
        self.node_mut(at).any = Some(child);
        child
    }
}

impl Node {
    fn new() -> Self {
        Self {
            first: u32::MAX,
            literals: Literals::default(),
            any: None,
            ends: Vec::new(),
            prefixes: Vec::new(),
            tails: Vec::new(),
            complex: Vec::new(),
        }
    }
}

impl Literals {
    fn find(&self, text: &str) -> Option<u32> {
        if text.is_empty() {
            return self.empty;
        }
        if self.many.is_empty() {
            let mut few = self.few.iter();
            return few.find(|(key, _)| **key == *text).map(|(_, at)| *at);
        }
        self.many.get(text).copied()
    }

    fn insert(&mut self, text: &str, at: u32) {
        if text.is_empty() {
            self.empty = Some(at);
        } else if self.many.is_empty() && self.few.len() < FEW {
            self.few.push((text.into(), at));
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(text.into(), at);
        }
    }
}

struct Search<'a> {
    trie: &'a Trie,
    path: &'a str,
    from: u32,
    best: Hit,
}

impl Search<'_> {
    /// `next` is where the path's next segment starts, if there is one.
    fn visit(&mut self, at: u32, next: Option<usize>) {
        let node = self.trie.node(at);
        if node.first >= self.best.order {
            return;
        }
        // The slash before the next segment is not part of what has matched.
        let here = next.map_or(self.path.len(), |start| start.saturating_sub(1));
        self.offer(&node.prefixes, here);
        match next {
            None => self.offer(&node.ends, self.path.len()),
            Some(_) => self.offer(&node.tails, self.path.len()),
        }
        if let Some(start) = next {
            let rest = &self.path[start..];
            let slash = rest.bytes().position(|byte| byte == b'/');
            let (segment, after) = match slash {
                Some(slash) => (&rest[..slash], Some(start + slash + 1)),
                None => (rest, None),
            };
            if let Some(child) = node.literals.find(segment) {
                self.visit(child, after);
            }
            if let Some(child) = node.any
                && !segment.is_empty()
            {
                self.visit(child, after);
            }
        }
        // Last, because it is dear and often something before it has settled the matter.
        for (order, complex) in &node.complex {
            if *order >= self.best.order {
                break;
            }
            if *order >= self.from
                && let Some(end) = complex.end_of_match(self.path)
            {
                self.best = Hit { order: *order, end };
            }
        }
    }

    fn offer(&mut self, orders: &[u32], end: usize) {
        let first = orders.iter().copied().find(|order| *order >= self.from);
        if let Some(order) = first
            && order < self.best.order
        {
            self.best = Hit { order, end };
        }
    }
}
