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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use tracing::subscriber::with_default;

    use super::*;

    /// What is logged, as text.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_what_the_system_refused_is_said_and_only_once() {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer({
                let log = log.clone();
                move || log.clone()
            })
            .finish();
        with_default(subscriber, || {
            let once = Once::new();
            Refused::Ended.report(&once, "nothing", "nothing");
            for _ in 0..3 {
                Refused::System(io::Error::from(io::ErrorKind::PermissionDenied)).report(
                    &once,
                    "a priority",
                    "it stays as it was",
                );
            }
        });
        let log = log.0.lock().expect("no panic");
        let log = String::from_utf8_lossy(&log);
        assert_eq!(log.lines().count(), 1, "{log}");
        for part in [
            "WARN offload: a priority was refused: it stays as it was",
            "permission denied",
        ] {
            assert!(log.contains(part), "{log}");
        }
    }
}
