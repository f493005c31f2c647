//! Cuts one pattern at its slashes, and tells what a plain comparison can decide from what only
//! actix can.
//!
//! A path and a pattern are equal if their segments are, and a prefix that must end at a segment's end
//! matches if its segments come first, so both can be compared segment by segment. `""` has one
//! segment, the empty one, and `"/a"` has two.

/// Deeper patterns are left to actix, which bounds the recursion of a search.
const MOST_SEGMENTS: usize = 64;

/// What a `{name}` without an expression of its own stands for.
const ANY: &str = "[^/]+";
const TAIL: &str = ".*";

/// A pattern, as far as it can be understood without actix.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut<'a> {
    /// Wholly understood.
    Segments(Vec<Segment<'a>>),
    /// Only actix knows whether a path matches, but not every path is worth asking about.
    Outline(Outline<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    Literal(&'a str),
    /// One segment of at least one character.
    Any,
    /// All that is left, be it empty; always the last.
    Tail,
}

/// What every path has that matches a pattern.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline<'a> {
    /// Whole segments at its start.
    pub(super) lead: Vec<&'a str>,
    pub(super) starts: &'a str,
    pub(super) ends: &'a str,
}

/// Cuts `pattern`; the tail of a `prefix` has no defined meaning and is left to actix.
pub(super) fn cut(pattern: &str, is_prefix: bool) -> Cut<'_> {
    segments(pattern, is_prefix)
        .map_or_else(|| Cut::Outline(outline(pattern, is_prefix)), Cut::Segments)
}

impl Cut<'_> {
    /// Orders patterns so that one that matches only paths that another matches too comes first.
    pub(super) fn breadth(&self) -> Vec<u8> {
        match self {
            Self::Segments(segments) => segments
                .iter()
                .map(|segment| match segment {
                    Segment::Literal(_) => 0,
                    Segment::Any => 2,
                    Segment::Tail => 3,
                })
                .collect(),
            Self::Outline(outline) => {
                let mut breadth = vec![0; outline.lead.len()];
                breadth.push(1);
                breadth
            }
        }
    }
}

fn segments(pattern: &str, is_prefix: bool) -> Option<Vec<Segment<'_>>> {
    let mut segments = Vec::new();
    let mut rest = Some(pattern);
    while let Some(text) = rest {
        let (piece, after) = split_outside_braces(text)?;
        rest = after;
        segments.push(segment(piece, rest.is_none(), is_prefix)?);
    }
    (segments.len() <= MOST_SEGMENTS).then_some(segments)
}

fn segment(piece: &str, is_last: bool, is_prefix: bool) -> Option<Segment<'_>> {
    let tail_allowed = is_last && !is_prefix;
    if !piece.contains('{') {
        // actix drops the text around a star that follows no `{name}`.
        let star = is_last && piece.ends_with('*');
        return (!star).then_some(Segment::Literal(piece));
    }
    let (before, parameter, after) = first_parameter(piece)?;
    if !before.is_empty() {
        return None;
    }
    match (parameter.split_once(':'), after) {
        (None, "") => Some(Segment::Any),
        (Some((_, ANY)), "") => Some(Segment::Any),
        (None, "*") if tail_allowed => Some(Segment::Tail),
        (Some((_, TAIL)), "") if tail_allowed => Some(Segment::Tail),
        _ => None,
    }
}

fn outline(pattern: &str, is_prefix: bool) -> Outline<'_> {
    if breaks_out(pattern) {
        return Outline::default();
    }
    let starts = match pattern.find('{') {
        Some(brace) => &pattern[..brace],
        None if pattern.ends_with('*') => "",
        None => pattern,
    };
    let ends = if is_prefix || pattern.ends_with('*') {
        ""
    } else {
        after_last_parameter(pattern)
    };
    let mut lead: Vec<&str> = starts.split('/').collect();
    // The last may go on in what follows.
    lead.pop();
    lead.truncate(MOST_SEGMENTS);
    Outline { lead, starts, ends }
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
pub(super) fn first_parameter(text: &str) -> Option<(&str, &str, &str)> {
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

fn after_last_parameter(pattern: &str) -> &str {
    let mut rest = pattern;
    while let Some((_, _, after)) = first_parameter(rest) {
        rest = after;
    }
    rest
}

/// Whether an expression may close the group that actix puts around it, as `{x:a)|(b}` does, so that
/// nothing can be said of the paths. Answers yes when in doubt.
fn breaks_out(pattern: &str) -> bool {
    let mut rest = pattern;
    while let Some((_, parameter, after)) = first_parameter(rest) {
        rest = after;
        let Some((_, expression)) = parameter.split_once(':') else {
            continue;
        };
        let (mut depth, mut may_be_class) = (0_usize, false);
        let mut bytes = expression.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => {
                    bytes.next();
                }
                b'[' => may_be_class = true,
                b'(' if !may_be_class => depth += 1,
                b')' if depth == 0 => return true,
                b')' => depth -= 1,
                // May begin a comment.
                b'#' => return true,
                _ => {}
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{
        Segment::{Any, Literal, Tail},
        *,
    };

    fn plain(pattern: &str, is_prefix: bool) -> Option<Vec<Segment<'_>>> {
        match cut(pattern, is_prefix) {
            Cut::Segments(segments) => Some(segments),
            Cut::Outline(_) => None,
        }
    }

    fn outlined(pattern: &str) -> Outline<'_> {
        match cut(pattern, false) {
            Cut::Outline(outline) => outline,
            Cut::Segments(segments) => panic!("{pattern} was cut into {segments:?}"),
        }
    }

    #[test]
    fn literals_and_whole_names_are_understood() {
        let table: &[(&str, &[Segment<'_>])] = &[
            ("", &[Literal("")]),
            ("/", &[Literal(""), Literal("")]),
            ("/a", &[Literal(""), Literal("a")]),
            ("/a/", &[Literal(""), Literal("a"), Literal("")]),
            ("//a", &[Literal(""), Literal(""), Literal("a")]),
            ("/a}b", &[Literal(""), Literal("a}b")]),
            ("/*/a", &[Literal(""), Literal("*"), Literal("a")]),
            ("/{id}", &[Literal(""), Any]),
            ("/{id:[^/]+}/x", &[Literal(""), Any, Literal("x")]),
            ("/a/{tail}*", &[Literal(""), Literal("a"), Tail]),
            ("/a/{tail:.*}", &[Literal(""), Literal("a"), Tail]),
            ("{tail}*", &[Tail]),
        ];
        for (pattern, segments) in table {
            assert_eq!(
                plain(pattern, false).as_deref(),
                Some(*segments),
                "{pattern}"
            );
        }
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
            "/-{tail}*",
            "/{a}{tail}*",
            "/{unclosed",
            "/{a:[{]}",
            &"/a".repeat(MOST_SEGMENTS),
        ] {
            assert_eq!(plain(pattern, false), None, "{pattern}");
        }
        assert_eq!(plain("/a/{tail}*", true), None);
        assert_eq!(plain("/a/{tail:.*}", true), None);
    }

    #[test]
    fn an_outline_holds_what_every_match_has() {
        let table: &[(&str, &[&str], &str, &str)] = &[
            ("/api/v{n}/x", &["", "api"], "/api/v", "/x"),
            ("/api/{n:\\d+}", &["", "api"], "/api/", ""),
            ("{a}.{b}/c", &[], "", "/c"),
            ("/a/{b}/c*", &["", "a"], "/a/", ""),
            ("/a/b*", &[], "", ""),
            ("/a/{x:(b|c)}.d", &["", "a"], "/a/", ".d"),
            ("/a/{x:b)|(c}.d", &[], "", ""),
            ("/a/{x:[(]b)|(c}.d", &[], "", ""),
            ("/a/{x:\\(b)|(c}.d", &[], "", ""),
        ];
        for (pattern, lead, starts, ends) in table {
            let expected = Outline {
                lead: lead.to_vec(),
                starts,
                ends,
            };
            assert_eq!(outlined(pattern), expected, "{pattern}");
        }
    }
}
