//! Asks actix itself whether a path matches a pattern that a plain comparison can't decide.

use std::{fmt::Write as _, panic::catch_unwind};

use actix_web::dev::ResourceDef;

use super::{
    enumerate::Node,
    pattern::{Outline, first_parameter},
};

/// As many parameters as one pattern of actix may have.
const MOST_PARAMETERS: usize = 16;

/// A pattern with expressions in it.
#[derive(Debug)]
pub(super) struct Complex {
    resource: ResourceDef,
    starts: Box<str>,
    ends: Box<str>,
}

impl Complex {
    /// `pattern` has been taken by actix before.
    pub(super) fn new(pattern: &str, is_prefix: bool, outline: &Outline<'_>) -> Self {
        let resource = if is_prefix {
            ResourceDef::prefix(pattern)
        } else {
            ResourceDef::new(pattern)
        };
        Self::with(resource, outline)
    }

    /// All patterns of `node` at once, as actix keeps them.
    pub(super) fn of_node(node: &Node) -> Self {
        let patterns = node.patterns.clone();
        let resource = if node.is_prefix {
            ResourceDef::prefix(patterns)
        } else {
            ResourceDef::new(patterns)
        };
        Self::with(resource, &Outline::default())
    }

    /// `pattern` has been put together from those of scopes and a resource, or comes from a user's
    /// configuration, so actix may never have seen it as a whole. `None` if it would not take it.
    pub(super) fn learned(pattern: &str, outline: &Outline<'_>) -> Option<Self> {
        let renamed = rename_parameters(pattern)?;
        // An invalid expression makes actix panic, and it has no other way to say so.
        let resource = catch_unwind(|| ResourceDef::new(renamed)).ok()?;
        Some(Self::with(resource, outline))
    }

    fn with(resource: ResourceDef, outline: &Outline<'_>) -> Self {
        Self {
            resource,
            starts: outline.starts.into(),
            ends: outline.ends.into(),
        }
    }

    /// Where in `path` the match ends, if there is one.
    pub(super) fn end_of_match(&self, path: &str) -> Option<usize> {
        // What is empty is not compared: see the trie's `Literals`.
        if !self.starts.is_empty() && !path.starts_with(&*self.starts) {
            return None;
        }
        if !self.ends.is_empty() && !path.ends_with(&*self.ends) {
            return None;
        }
        if self.resource.is_prefix() {
            self.resource.find_match(path)
        } else {
            self.resource.is_match(path).then_some(path.len())
        }
    }
}

/// Gives each parameter a name of its own: a scope and a resource in it may both have an `{id}`.
fn rename_parameters(pattern: &str) -> Option<String> {
    let mut renamed = String::with_capacity(pattern.len() + MOST_PARAMETERS);
    let mut rest = pattern;
    let mut parameters = 0_usize;
    while rest.contains('{') {
        let (before, parameter, after) = first_parameter(rest)?;
        renamed.push_str(before);
        let expression = parameter.find(':').map_or("", |colon| &parameter[colon..]);
        let _ = write!(renamed, "{{p{parameters}{expression}}}");
        parameters += 1;
        rest = after;
    }
    renamed.push_str(rest);
    (parameters <= MOST_PARAMETERS).then_some(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_unique_and_expressions_stay() {
        assert_eq!(
            rename_parameters("/{id:\\d{2}}/{id}/x{id}*").as_deref(),
            Some("/{p0:\\d{2}}/{p1}/x{p2}*")
        );
        assert_eq!(rename_parameters("/a").as_deref(), Some("/a"));
        assert_eq!(rename_parameters("/{a"), None);
        assert_eq!(rename_parameters(&"/{a}".repeat(17)), None);
    }
}
