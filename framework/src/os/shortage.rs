//! Which limit may be the cause if the system gives no further thread, and what can be done about it.
//!
//! The system itself says `EAGAIN`, whichever of half a dozen limits it was. Those that servers meet are read and compared with what is
//! used; the rest is named.

use std::io;

use super::limits::{self, Limit};

/// What a thread and the little that it needs for its beginning take of the address space, in KiB, as a rule.
const SPACE_OF_THREAD: u64 = 3 * 1024;

/// Where the limits are set that nobody compares.
const OF_MACHINE: &str = "`kernel.threads-max`, `kernel.pid_max` and `vm.max_map_count`";

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
            _ => {
                let space = limits::address_space().filter(|space| space.is_up(SPACE_OF_THREAD));
                let group = limits::control_group().filter(|group| group.is_up(1));
                let reached: Vec<_> = space.into_iter().chain(group).collect();
                (cause(&reached, limits::of_user()), source)
            }
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
fn cause(reached: &[Limit], of_user: Option<u64>) -> String {
    let reached: Vec<_> = reached.iter().map(ToString::to_string).collect();
    let reached = match of_user {
        _ if !reached.is_empty() => reached.join(", and "),
        Some(most) => format!(
            "it may be the limit of its user, {most} processes and threads in all (`ulimit -u`; `LimitNPROC` of systemd), or one of the machine ({OF_MACHINE})"
        ),
        None => {
            return format!(
                "it may be a limit of the machine ({OF_MACHINE}), or memory is used up"
            );
        }
    };
    format!("{reached}; raise that, or ask for fewer threads")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_is_reached_is_named_with_what_is_used() {
        let pears = Limit {
            whose: "it",
            used: 100,
            most: 100,
            what: "pears",
        };
        assert_eq!(
            cause(&[pears], Some(1)),
            "it has 100 of at most 100 pears; raise that, or ask for fewer threads"
        );
        assert!(cause(&[pears, pears], None).contains("100 pears, and it has"));
        assert!(cause(&[], None).contains("`vm.max_map_count`"));
        let of_user = cause(&[], Some(1));
        for words in [
            "limit of its user, 1 processes",
            "`ulimit -u`",
            "raise that",
        ] {
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
