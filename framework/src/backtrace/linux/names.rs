//! The names of functions, and the lines that they were at.

use std::{borrow::Cow, fmt, path::Path};

use addr2line::{Loader, demangle_auto};

use super::{super::Frame, paths::shortened};

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
            found.push((name.map(Cow::into_owned), next.location));
        }
    }
    // The symbol is the name of the outermost, and often says more than the debug information.
    let symbol = loader.find_symbol(address).map(demangled);
    if found.is_empty() {
        return symbol.map(|name| frame(name, None)).into_iter().collect();
    }
    if let (Some((name, _)), Some(symbol)) = (found.last_mut(), symbol) {
        *name = Some(symbol);
    }
    found
        .into_iter()
        .filter_map(|(name, location)| Some(frame(name?, location)))
        .collect()
}

fn demangled(symbol: &str) -> String {
    demangle_auto(Cow::Borrowed(symbol), None).into_owned()
}

fn frame(function: String, location: Option<addr2line::Location<'_>>) -> Frame {
    let location = location.as_ref();
    Frame {
        function,
        file: location.and_then(|at| at.file).map(shortened),
        line: location.and_then(|at| at.line).filter(|line| *line > 0),
    }
}
