//! What can go wrong with a layer's settings, and with a response's body.

/// Any error, as tower and hyper have it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A setting that cannot be used, or a resource that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The lanes or the watch could not be started; the text says which setting is wrong or which limit is reached.
    #[error(transparent)]
    Start(#[from] offload_http::StartError),
    /// The pattern of a `pin` does not begin with a slash.
    #[error(
        "`pin` takes a full route pattern that begins with `/`, or `(unmatched)`, not {given:?}"
    )]
    PinPattern {
        /// What was given.
        given: String,
    },
    /// The method of a `pin` is none that HTTP names.
    #[error("`pin` takes a method that HTTP names, such as GET, not {given:?}")]
    PinMethod {
        /// What was given.
        given: String,
    },
    /// The budget is zero or longer than anyone would want a worker to stand still.
    #[error("`Rules::budget` must be between 1 us and 1 s, not {given:?}")]
    Budget {
        /// What was given.
        given: std::time::Duration,
    },
    /// A variable of the environment has a value that says nothing.
    #[error("the environment variable {variable} must be {allowed}, not {given:?}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// Its value.
        given: String,
        /// What it may be.
        allowed: &'static str,
    },
}

/// Why a response's body broke off, beside the body's own errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The handler's own body panicked.
    #[error("the response body panicked")]
    Panicked,
    /// The lane ended before the body did.
    #[error("the lane ended before the response body did")]
    Lost,
}
