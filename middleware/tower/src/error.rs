//! What can go wrong with a response's body.

/// Any error, as tower and hyper have it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

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
