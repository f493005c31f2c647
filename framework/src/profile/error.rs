//! What can be wrong with a profile's file, and with what is in it.

use std::{io, path::PathBuf};

use super::format::{MAX_BYTES, MAX_METHOD, MAX_PATTERN, MAX_ROUTES};

/// The file system would not do what a profile needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file is there but can't be read.
    #[error("the profile {} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file can't be written; what it held before is left as it was.
    #[error("the profile {} cannot be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// More was learned than a file may hold; what it held before is left as it was.
    #[error(
        "the profile {} would have {bytes} bytes, more than {MAX_BYTES}",
        path.display()
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it would have been.
        bytes: usize,
    },
}

/// Why the content of a file was not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It is longer than any profile.
    #[error("it has more than {MAX_BYTES} bytes")]
    Oversized,
    /// It is no JSON text, or one that was cut off.
    #[error("it is no complete json text (line {line}, column {column})")]
    NotJson {
        /// Where reading stopped, counted from 1.
        line: usize,
        /// Where in that line, counted from 1.
        column: usize,
    },
    /// It is JSON, but not of this program.
    #[error("it is no offload profile")]
    Foreign,
    /// It is of another version of the format.
    #[error("it has format version {found}, this program reads {expected}")]
    Version {
        /// The version in the file.
        found: u64,
        /// The version that is understood.
        expected: u64,
    },
    /// It claims to be a profile, but its fields are not those of one.
    #[error("its content is not that of a profile (line {line}, column {column})")]
    Content {
        /// Where reading stopped, counted from 1.
        line: usize,
        /// Where in that line, counted from 1.
        column: usize,
    },
    /// It has more routes than any profile.
    #[error("it has more than {MAX_ROUTES} routes")]
    TooManyRoutes,
    /// A method or a pattern is longer than any.
    #[error("a method has more than {MAX_METHOD} bytes or a pattern more than {MAX_PATTERN}")]
    TooLong,
    /// A route, or a body size of a route, is there twice.
    #[error("it names a route or a body size twice")]
    Repeated,
}
