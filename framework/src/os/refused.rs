//! What is said, once, when the operating system does not let a thread's priority be set.

use std::{error::Error as _, io, sync::Once};

/// Why a thread's priority is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// There is no such thread any more, so there is nothing to be said either.
    #[error("the thread has ended")]
    Ended,
    /// The system said no.
    #[error("the operating system refused the setting")]
    System(#[source] io::Error),
    /// The platform knows no such setting, which the documentation states.
    #[cfg_attr(target_os = "linux", expect(dead_code, reason = "Linux knows all"))]
    #[error("this platform has no such setting")]
    Unknown,
}

impl Refused {
    /// Logs it if this is the first time of `once`: what was refused, and what follows for whoever runs this.
    pub(super) fn report(&self, once: &Once, setting: &str, consequence: &str) {
        if !matches!(self, Self::System(_)) {
            return;
        }
        once.call_once(|| {
            let source = self.source().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(target: "offload", error = %self, source, "{setting} was refused: {consequence}");
        });
    }
}
