//! Cuts one pattern at its slashes, and tells what a plain comparison can decide from what only
//! actix can.
//!
//! A path and a pattern are equal if their segments are, and a prefix that must end at a segment's end
//! matches if its segments come first, so both can be compared segment by segment. `""` has one
//! segment, the empty one, and `"/a"` has two.

use std::{fmt::Write as _, panic::catch_unwind};

use actix_web::dev::ResourceDef;

/// Deeper patterns are left to actix, which bounds the recursion of a search.
const MOST_SEGMENTS: usize = 64;

/// As many parameters as one pattern of actix may have.
const MOST_PARAMETERS: usize = 16;

/// What a `{name}` without an expression of its own stands for.
const ANY: &str = "[^/]+";
const TAIL: &str = ".*";

/// A pattern, as far as it can be understood without actix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut<'a> {
    /// How every path begins that matches: a literal segment each, or `None` for one of at least one character.
    pub(super) steps: Vec<Option<&'a str>>,
    pub(super) end: End,
}

/// What has to follow behind the steps of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing.
    Here,
    /// Nothing or more segments: the pattern is a prefix.
    Prefix,
    /// At least one segment, which may be empty.
    Tail,
    /// Only actix knows.
    Ask,
}

/// Cuts `pattern`; the tail of a `prefix` has no defined meaning and is left to actix.
pub(super) fn cut(pattern: &str, is_prefix: bool) -> Cut<'_> {
    let ask = |steps| Cut {
        steps,
        end: End::Ask,
    };
    let mut steps = Vec::new();
    if breaks_out(pattern) {
        return ask(steps);
    }
    let mut rest = Some(pattern);
    while let Some(text) = rest {
        let Some((piece, after)) = split_outside_braces(text) else {
            return ask(steps);
        };
        rest = after;
        match first_parameter(piece) {
            // actix drops the text around a star that follows no `{name}`.
            None if rest.is_none() && piece.ends_with('*') => return ask(Vec::new()),
            _ if steps.len() == MOST_SEGMENTS => return ask(steps),
            None => steps.push(Some(piece)),
            Some(("", parameter, after)) => match (parameter.split_once(':'), after) {
                (None | Some((_, ANY)), "") => steps.push(None),
                (None, "*") | (Some((_, TAIL)), "") if rest.is_none() && !is_prefix => {
                    let end = End::Tail;
                    return Cut { steps, end };
                }
                _ => return ask(steps),
            },
            Some(_) => return ask(steps),
        }
    }
    let end = if is_prefix { End::Prefix } else { End::Here };
    Cut { steps, end }
}

impl Cut<'_> {
    /// Orders patterns so that one that matches only paths that another matches too comes first.
    pub(super) fn breadth(&self) -> Vec<u8> {
        let steps = self.steps.iter();
        let mut breadth: Vec<u8> = steps
            .map(|step| if step.is_some() { 0 } else { 2 })
            .collect();
        match self.end {
            End::Here | End::Prefix => {}
            End::Ask => breadth.push(1),
            End::Tail => breadth.push(3),
        }
        breadth
    }
}

/// The text up to the next slash that is not within braces, and what follows that slash.
fn split_outside_braces(text: &str) -> Option<(&str, Option<&str>)> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            // Outside of braces it is a character like any other.
            b'}' => depth = depth.saturating_sub(1),
            b'/' if depth == 0 => return Some((&text[..at], Some(&text[at + 1..]))),
            _ => {}
        }
    }
    (depth == 0).then_some((text, None))
}

/// The text before the first `{...}`, what is within it, and what follows it.
fn first_parameter(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('{')?;
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..open], &text[open + 1..at], &text[at + 1..]));
        }
    }
    None
}

/// Whether an expression may close the group that actix puts around it, as `{x:a)|(b}` does, so that
/// nothing can be said of the paths. Answers yes when in doubt.
fn breaks_out(pattern: &str) -> bool {
    let mut rest = pattern;
    while let Some((_, parameter, after)) = first_parameter(rest) {
        rest = after;
        let (_, expression) = parameter.split_once(':').unwrap_or_default();
        let mut depth = 0_i32;
        let closes = expression.bytes().any(|byte| {
            depth += i32::from(byte == b'(') - i32::from(byte == b')');
            depth < 0
        });
        // One that is escaped or in a class does not count, and a comment hides others.
        let doubt = expression.contains(')') && expression.contains(['\\', '[']);
        if closes || doubt || expression.contains('#') {
            return true;
        }
    }
    false
}

/// What actix makes of a pattern that has been put together from those of scopes and a resource, or comes from a user's
/// configuration, so that actix may never have seen it as a whole. `None` if it would not take it.
pub(super) fn learned(pattern: &str) -> Option<ResourceDef> {
    let renamed = rename_parameters(pattern)?;
    // An invalid expression makes actix panic, and it has no other way to say so.
    catch_unwind(|| ResourceDef::new(renamed)).ok()
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

    fn assert_cuts(table: &[(&str, &[Option<&str>], End)]) {
        for (pattern, steps, end) in table {
            let expected = Cut {
                steps: steps.to_vec(),
                end: *end,
            };
            assert_eq!(cut(pattern, false), expected, "{pattern}");
        }
    }

    #[test]
    fn literals_and_whole_names_are_understood() {
        const EMPTY: Option<&str> = Some("");
        assert_cuts(&[
            ("", &[EMPTY], End::Here),
            ("/", &[EMPTY, EMPTY], End::Here),
            ("/a", &[EMPTY, Some("a")], End::Here),
            ("/a/", &[EMPTY, Some("a"), EMPTY], End::Here),
            ("//a", &[EMPTY, EMPTY, Some("a")], End::Here),
            ("/a}b", &[EMPTY, Some("a}b")], End::Here),
            ("/*/a", &[EMPTY, Some("*"), Some("a")], End::Here),
            ("/{id}", &[EMPTY, None], End::Here),
            ("/{id:[^/]+}/x", &[EMPTY, None, Some("x")], End::Here),
            ("/a/{tail}*", &[EMPTY, Some("a")], End::Tail),
            ("/a/{tail:.*}", &[EMPTY, Some("a")], End::Tail),
            ("{tail}*", &[], End::Tail),
        ]);
        assert_eq!(cut("/{a}", true).end, End::Prefix);
    }

    #[test]
    fn the_rest_is_left_to_actix() {
        for pattern in [
            "/{a}.{b}",
            "/v{a}",
            "/{a}b",
            "/{id:\\d+}",
            "/{id:a/b}",
            "/{a:.*}/b",
            "/{a}/b*",
            "/a*",
            "/a}*",
            "/-{tail}*",
            "/{a}{tail}*",
            "/{unclosed",
            "/{a:[{]}",
            &"/a".repeat(MOST_SEGMENTS),
        ] {
            assert_eq!(cut(pattern, false).end, End::Ask, "{pattern}");
        }
        assert_eq!(cut("/a/{tail}*", true).end, End::Ask);
        assert_eq!(cut("/a/{tail:.*}", true).end, End::Ask);
    }

    #[test]
    fn what_only_actix_knows_begins_with_what_every_match_has() {
        const AT_A: &[Option<&str>] = &[Some(""), Some("a")];
        assert_cuts(&[
            ("/a/v{n}/x", AT_A, End::Ask),
            ("/a/{n:\\d+}", AT_A, End::Ask),
            ("{a}.{b}/c", &[], End::Ask),
            (
                "/a/{b}/c/v{d}",
                &[Some(""), Some("a"), None, Some("c")],
                End::Ask,
            ),
            ("/a/{x:(b|c)}.d", AT_A, End::Ask),
            // Nothing is, or nothing is known to be.
            ("/a/b*", &[], End::Ask),
            ("/a/{b}/c/d*", &[], End::Ask),
            ("/a/{x:b)|(c}.d", &[], End::Ask),
            ("/a/{x:[(]b)|(c}.d", &[], End::Ask),
            ("/a/{x:\\(b)|(c}.d", &[], End::Ask),
        ]);
    }

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
