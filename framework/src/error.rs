//! Why a job gave no value, told by condition so that callers can answer 503 to one and 500 to another.

use std::{any::Any, fmt, sync::Mutex, time::Duration};

use crate::{
    admission::Refusal,
    quiet::{self, Payload},
};

/// Why a job gave no value.
///
/// It is one of four conditions: the lane took no more work ([`is_overloaded`](Self::is_overloaded)), the job waited longer
/// than it was allowed to ([`is_expired`](Self::is_expired)), the lane went away before the job could end
/// ([`is_cancelled`](Self::is_cancelled)), or the job panicked ([`is_panic`](Self::is_panic)).
///
/// # Examples
///
/// ```
/// use offload_core::Lanes;
///
/// let lanes = Lanes::builder().threads(1).build()?;
/// let error = pollster::block_on(lanes.run(|| -> u32 { panic!("no number") })).unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.to_string(), "the job panicked: no number");
/// let payload = error.into_panic().expect("it is a panic");
/// assert_eq!(payload.downcast_ref::<&str>(), Some(&"no number"));
/// # Ok::<(), offload_core::BuildError>(())
/// ```
#[derive(thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    kind: Kind,
}

#[derive(thiserror::Error)]
enum Kind {
    #[error("the lane is overloaded")]
    Overloaded { delay: Duration, why: Refusal },
    #[error("the job waited too long for its beginning")]
    Expired,
    #[error("the job was cancelled")]
    Cancelled,
    #[error("{}", panic_text(.message))]
    Panic {
        message: Option<String>,
        // Never locked: the mutex only makes an error that carries any payload shareable between threads.
        payload: Mutex<Payload>,
    },
}

fn panic_text(message: &Option<String>) -> String {
    match message {
        Some(message) => format!("the job panicked: {message}"),
        None => "the job panicked".to_owned(),
    }
}

impl Error {
    pub(crate) fn overloaded(delay: Duration, why: Refusal) -> Self {
        Self {
            kind: Kind::Overloaded { delay, why },
        }
    }

    pub(crate) fn expired() -> Self {
        Self {
            kind: Kind::Expired,
        }
    }

    pub(crate) fn cancelled() -> Self {
        Self {
            kind: Kind::Cancelled,
        }
    }

    pub(crate) fn panic(payload: Payload) -> Self {
        Self {
            kind: Kind::Panic {
                message: quiet::message(&*payload).map(str::to_owned),
                payload: Mutex::new(payload),
            },
        }
    }

    /// The job was refused before it was queued, because it would have had to wait too long or there was no room; it never
    /// ran and never will.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        matches!(self.kind, Kind::Overloaded { .. })
    }

    /// The job was dropped from the queue because it had waited longer than it was allowed to; it never ran and never
    /// will.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        matches!(self.kind, Kind::Expired)
    }

    /// Why the job was not taken, if it [`is_overloaded`](Self::is_overloaded) or [`is_expired`](Self::is_expired).
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self.kind {
            Kind::Overloaded { why, .. } => Some(why),
            Kind::Expired => Some(Refusal::Expired),
            _ => None,
        }
    }

    /// How long the job would have had to wait, as far as could be told, if it [`is_overloaded`](Self::is_overloaded).
    #[must_use]
    pub fn projected_delay(&self) -> Option<Duration> {
        match self.kind {
            Kind::Overloaded { delay, .. } => Some(delay),
            _ => None,
        }
    }

    /// The lane was shut down before the job could run to its end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.kind, Kind::Cancelled)
    }

    /// The job panicked; [`into_panic`](Self::into_panic) has what it panicked with.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panic { .. })
    }

    /// What the job panicked with, for [`std::panic::resume_unwind`] or a downcast.
    ///
    /// # Errors
    ///
    /// Returns the error itself if it is not a panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.kind {
            Kind::Panic { payload, .. } => Ok(payload
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)),
            kind => Err(Self { kind }),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.kind).finish()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded { delay, why } => {
                f.debug_tuple("Overloaded").field(delay).field(why).finish()
            }
            Self::Expired => f.write_str("Expired"),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::Panic { message, .. } => f.debug_tuple("Panic").field(message).finish(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn sendable<T: Send + Sync + std::error::Error + 'static>(error: T) -> T {
        error
    }

    #[test]
    fn each_condition_is_told_apart() {
        let overloaded = sendable(Error::overloaded(
            Duration::from_secs(2),
            Refusal::QueueFull,
        ));
        assert_eq!(overloaded.projected_delay(), Some(Duration::from_secs(2)));
        assert!(overloaded.is_overloaded() && !overloaded.is_cancelled() && !overloaded.is_panic());
        assert!(overloaded.into_panic().unwrap_err().is_overloaded());

        let cancelled = Error::cancelled();
        assert!(cancelled.is_cancelled() && !cancelled.is_overloaded() && !cancelled.is_panic());
        assert_eq!(cancelled.to_string(), "the job was cancelled");
        assert_eq!(cancelled.projected_delay(), None);

        let expired = Error::expired();
        assert!(expired.is_expired() && !expired.is_overloaded() && !expired.is_cancelled());
    }

    #[test]
    fn a_payload_that_is_no_string_survives() {
        let error = Error::panic(Box::new(17_u64));
        assert!(error.is_panic());
        assert_eq!(error.to_string(), "the job panicked");
        assert_eq!(
            *error.into_panic().unwrap().downcast::<u64>().unwrap(),
            17_u64
        );
    }
}
