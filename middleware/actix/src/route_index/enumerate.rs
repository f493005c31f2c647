//! Lists the resources of an app, in order of registration, from what actix-web prints of them.
//!
//! actix-web has no public way to walk a `ResourceMap`: the only complete view of it is its derived
//! `Debug` output, so that is what is read here, strictly: a word that is not expected is an error.
//! If a version of actix-web prints something else, the caller falls back to learning the patterns as
//! they are met. That costs the protection of first requests and no answer is wrong for it. A test
//! fails when the actix-web that this crate is built with can't be read.

use std::fmt::{self, Write as _};

use actix_web::dev::ResourceMap;

use super::debug_text::{EnumerateError, Reader};

/// About 40,000 resources.
const LONGEST_TEXT: usize = 32 << 20;

const DEEPEST_SCOPE: usize = 64;

/// A resource, or a scope with all that is registered in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Relative to the scope around it.
    pub(super) patterns: Vec<String>,
    pub(super) is_prefix: bool,
    /// `None` for a resource.
    pub(super) children: Option<Vec<Self>>,
}

/// An app's resources as a text, which may go to another thread.
#[derive(Clone, Debug)]
pub(crate) struct Description(Option<String>);

impl Description {
    pub(super) fn of(map: &ResourceMap) -> Self {
        let mut text = Bounded(String::new());
        let written = write!(text, "{map:?}");
        Self(written.is_ok().then_some(text.0))
    }

    /// What is registered in the app itself.
    pub(super) fn resources(&self) -> Result<Vec<Node>, EnumerateError> {
        let text = self.0.as_deref().ok_or(EnumerateError::TooLong {
            limit: LONGEST_TEXT,
        })?;
        let mut reader = Reader::new(text);
        let root = node(&mut reader, 0)?;
        reader.expect_end()?;
        match root.children {
            Some(children) if root.is_prefix && root.patterns == [""] => Ok(children),
            _ => Err(Reader::new(text).unexpected("an app")),
        }
    }

    #[cfg(test)]
    pub(super) fn from_text(text: String) -> Self {
        Self(Some(text))
    }
}

struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST_TEXT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn node(reader: &mut Reader<'_>, depth: usize) -> Result<Node, EnumerateError> {
    if depth > DEEPEST_SCOPE {
        return Err(EnumerateError::TooDeep {
            limit: DEEPEST_SCOPE,
        });
    }
    reader.expect("ResourceMap { pattern: ResourceDef { id: ")?;
    reader.skip_value()?;
    reader.expect(", name: ")?;
    reader.skip_value()?;
    reader.expect(", patterns: ")?;
    let patterns = patterns(reader)?;
    reader.expect(", is_prefix: ")?;
    let is_prefix = reader.boolean()?;
    // What actix made of the patterns is made again from them.
    reader.expect(", pat_type: ")?;
    reader.skip_value()?;
    reader.expect(", segments: ")?;
    reader.skip_value()?;
    reader.expect(" }, named: ")?;
    reader.skip_value()?;
    reader.expect(", parent: ")?;
    reader.skip_value()?;
    reader.expect(", nodes: ")?;
    let children = children(reader, depth)?;
    reader.expect(" }")?;
    Ok(Node {
        patterns,
        is_prefix,
        children,
    })
}

fn patterns(reader: &mut Reader<'_>) -> Result<Vec<String>, EnumerateError> {
    let patterns = if reader.eat("Single(") {
        vec![reader.string()?]
    } else {
        reader.expect("List([")?;
        reader.items(Reader::string)?
    };
    reader.expect(")")?;
    Ok(patterns)
}

fn children(reader: &mut Reader<'_>, depth: usize) -> Result<Option<Vec<Node>>, EnumerateError> {
    if reader.eat("None") {
        return Ok(None);
    }
    reader.expect("Some([")?;
    let children = reader.items(|reader| node(reader, depth + 1))?;
    reader.expect(")")?;
    Ok(Some(children))
}
