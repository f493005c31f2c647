//! The names of functions, and the lines that they were at.

use std::{borrow::Cow, fmt, path::Path};

use addr2line::{Loader, demangle_auto};

use super::paths::shortened;
use crate::Frame;

/// What names the functions of one image.
pub(super) struct Names(Kind);

enum Kind {
    /// From the file, with lines and inlined functions if it has them.
    File(Box<Loader>),
    /// First address, size and name.
    Table(Vec<(u64, u64, String)>),
}

impl Names {
    pub(super) fn none() -> Self {
        Self::of_table(Vec::new())
    }

    pub(super) fn of_table(table: Vec<(u64, u64, String)>) -> Self {
        Self(Kind::Table(table))
    }

    /// A file that can't be read names nothing.
    pub(super) fn of_file(path: &Path) -> Self {
        match Loader::new(path) {
            Ok(loader) => Self(Kind::File(Box::new(loader))),
            Err(error) => {
                tracing::debug!(target: "offload", %error, "no names of functions in {}", path.display());
                Self::none()
            }
        }
    }

    /// The functions at an address of the file, innermost first: those that were inlined there, and the one that they are
    /// in. Empty if it has no name.
    pub(super) fn at(&self, address: u64) -> Vec<Frame> {
        match &self.0 {
            Kind::File(loader) => in_file(loader, address),
            Kind::Table(table) => table
                .iter()
                .find(|(start, size, _)| {
                    address.checked_sub(*start).is_some_and(|into| into < *size)
                })
                .map(|(.., name)| frame(demangled(name), None))
                .into_iter()
                .collect(),
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::File(_) => "of a file",
            Kind::Table(_) => "of a table",
        };
        f.debug_tuple("Names").field(&kind).finish()
    }
}

fn in_file(loader: &Loader, address: u64) -> Vec<Frame> {
    let mut found = Vec::new();
    // What is found before an error is right all the same.
    if let Ok(mut frames) = loader.find_frames(address) {
        while let Ok(Some(next)) = frames.next() {
            let name = next.function.as_ref().and_then(|name| name.demangle().ok());
            found.push((name.map(|name| plain(&name)), next.location));
        }
    }
    // The symbol is the name of the outermost. Line tables without the rest of the debug information have no paths.
    let symbol = loader.find_symbol(address).map(demangled);
    if found.is_empty() {
        return symbol.map(|name| frame(name, None)).into_iter().collect();
    }
    if let (Some((name, _)), Some(symbol)) = (found.last_mut(), symbol)
        && !name.as_ref().is_some_and(|name| name.contains("::"))
    {
        *name = Some(symbol);
    }
    found
        .into_iter()
        .filter_map(|(name, location)| Some(frame(name?, location)))
        .collect()
}

fn demangled(symbol: &str) -> String {
    plain(&demangle_auto(Cow::Borrowed(symbol), None))
}

/// The name without what generic parts of it stand for, which for futures may be a page: `Scoped::set` for
/// `Scoped<T>::set::<(A, B)>`. What implements a trait keeps its `<A as B>` and `<impl A>`.
fn plain(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut depth = 0_usize;
    let mut before = None;
    for (at, letter) in name.char_indices() {
        // Not the arrow of a function's type.
        let closes = letter == '>' && before != Some('-');
        before = Some(letter);
        if depth == 0 {
            let part_of_name = |letter: char| letter.is_alphanumeric() || "_:}".contains(letter);
            let generic = letter == '<' && !name[at..].starts_with("<impl ");
            if generic && short.ends_with(part_of_name) {
                depth = 1;
            } else {
                short.push(letter);
            }
        } else if letter == '<' {
            depth += 1;
        } else if closes {
            depth -= 1;
            if depth == 0 && short.ends_with("::") {
                short.truncate(short.len() - 2);
            }
        }
    }
    // An operator of another language, perhaps.
    if depth > 0 { name.to_owned() } else { short }
}

fn frame(function: String, location: Option<addr2line::Location<'_>>) -> Frame {
    let location = location.as_ref();
    Frame {
        function,
        file: location.and_then(|at| at.file).map(shortened),
        line: location.and_then(|at| at.line).filter(|line| *line > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_what_is_generic_in_them() {
        let table = [
            ("app::burn", "app::burn"),
            ("app::burn::{{closure}}", "app::burn::{{closure}}"),
            ("scoped::Scoped<T>::set", "scoped::Scoped::set"),
            ("run::<app::A<B>, (C, D)>", "run"),
            ("run::<A>::{closure#0}", "run::{closure#0}"),
            ("{closure#0}<A, fn() -> B>", "{closure#0}"),
            (
                "<alloc::boxed::Box<F,A> as core::ops::FnOnce<Args>>::call_once",
                "<alloc::boxed::Box as core::ops::FnOnce>::call_once",
            ),
            ("<app::Timespec>::now", "<app::Timespec>::now"),
            ("<[T]>::sort::<A>", "<[T]>::sort"),
            ("core::<impl [T]>::sort", "core::<impl [T]>::sort"),
            ("operator<", "operator<"),
            ("a->b", "a->b"),
            ("", ""),
        ];
        for (name, expected) in table {
            assert_eq!(plain(name), expected, "{name}");
        }
    }

    #[test]
    fn a_table_names_what_lies_in_a_symbol() {
        let names = Names::of_table(vec![(16, 8, "one".into()), (24, 0, "mark".into())]);
        let at = |address| names.at(address).first().map(ToString::to_string);
        let found = [15, 16, 23, 24].map(at);
        assert_eq!(found, [None, Some("one".into()), Some("one".into()), None]);
    }

    #[test]
    fn a_file_that_is_none_names_nothing() {
        assert_eq!(Names::of_file(Path::new("/dev/null")).at(0), []);
    }
}
