//! Which limit may be the cause if the system gives no further thread, and what can be done about it.
//!
//! The system itself says `EAGAIN`, whichever of half a dozen limits it was. Those that can be read are compared with what is used.

use std::io;

use super::limits::{self, Limit};

/// The system does not give as many threads as are needed. The text says which limit is reached, as far as that can be told.
///
/// # Examples
///
/// ```
/// if let Err(none) = offload_core::rehearse_threads(8) {
///     eprintln!("{none}"); // the system gives only 3 of 8 threads: …
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the system gives {} threads: {cause}", share(*.given, *.wanted))]
pub struct NoThreads {
    given: usize,
    wanted: usize,
    cause: String,
    #[source]
    source: io::Error,
}

fn share(given: usize, wanted: usize) -> String {
    match given {
        0 => "no further".to_owned(),
        _ => format!("only {given} of {wanted}"),
    }
}

impl NoThreads {
    /// Looks for the cause, so it is to be made while those are still there that were given.
    pub(crate) fn new(given: usize, wanted: usize, source: io::Error) -> Self {
        let (cause, source) = match source.kind() {
            // It is known already, from `room_for`.
            kind @ io::ErrorKind::OutOfMemory => (source.to_string(), kind.into()),
            _ => (cause(&limits::of_threads(), limits::of_user()), source),
        };
        Self {
            given,
            wanted,
            cause,
            source,
        }
    }

    /// An error of the system with what may be its cause.
    pub(crate) fn explained(source: io::Error) -> io::Error {
        io::Error::new(source.kind(), Self::new(0, 1, source))
    }

    /// How many threads could be started.
    #[must_use]
    pub fn given(&self) -> usize {
        self.given
    }

    /// How many were asked for.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }
}

/// What is reached, in words, or what may be.
fn cause(limits: &[(Limit, u64)], of_user: Option<u64>) -> String {
    let reached = limits.iter().filter(|(limit, takes)| limit.is_up(*takes));
    let mut reached: Vec<_> = reached.map(|(limit, _)| limit.to_string()).collect();
    if let (Some(most), []) = (of_user, &*reached) {
        reached.push(format!(
            "no other limit is reached, so it may be that of its user: {most} processes and threads in all (`ulimit -u`; `LimitNPROC` of systemd)"
        ));
    }
    if reached.is_empty() {
        return "no limit is known that is reached; memory may be used up".to_owned();
    }
    let reached = reached.join(", and ");
    format!("{reached}; raise that, or ask for fewer threads")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_is_reached_is_named_with_what_is_used() {
        let limit = |used, what| {
            let (whose, most) = ("it", 100);
            let limit = Limit {
                whose,
                used,
                most,
                what,
            };
            (limit, 6)
        };
        let (apples, full) = (limit(93, "apples"), limit(94, "pears"));
        let cause = |limits: &[_], user| super::cause(limits, user);
        assert_eq!(
            cause(&[apples, full], Some(1)),
            "it has 94 of at most 100 pears; raise that, or ask for fewer threads"
        );
        assert!(cause(&[full, full], None).contains("100 pears, and it has"));
        assert!(cause(&[apples], None).contains("no limit is known"));
        let of_user = cause(&[apples], Some(1));
        for words in ["that of its user: 1 processes", "`ulimit -u`", "raise that"] {
            assert!(of_user.contains(words), "{of_user} has no {words}");
        }
    }

    #[test]
    fn the_text_says_how_many_were_to_be_had() {
        let none = |given| NoThreads::new(given, 5, io::ErrorKind::WouldBlock.into()).to_string();
        assert!(none(0).starts_with("the system gives no further threads: "));
        assert!(none(3).starts_with("the system gives only 3 of 5 threads: "));
        let error = NoThreads::explained(io::ErrorKind::WouldBlock.into());
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(error.to_string().contains("no further threads"), "{error}");
    }
}
