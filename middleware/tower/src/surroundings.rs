//! The runtime that serves a request, which its handler finds on a lane as well.

/// What surrounds a request where it has come to.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// `None` outside of tokio.
    #[cfg(feature = "tokio")]
    runtime: Option<tokio::runtime::Handle>,
}

impl Surroundings {
    /// Those of the calling thread.
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            runtime: tokio::runtime::Handle::try_current().ok(),
        }
    }

    /// Has them surround `work` on another thread.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tokio")]
        let _entered = self.runtime.as_ref().map(tokio::runtime::Handle::enter);
        work()
    }
}
