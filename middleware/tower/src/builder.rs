//! The settings, which the shared half documents and checks, and what its layers need of them.

use http::HeaderName;
use offload_http::RequestSpan;

/// Builds an [`Offload`](crate::Offload).
///
/// # Examples
///
/// ```
/// use tower_offload::{Offload, Placement, Rank, Serving};
///
/// let offload = Offload::builder()
///     .lanes(|lanes| lanes.threads(2).queue_bound(256))
///     .pin("GET", "/health", Placement::Loop)
///     .serve("POST", "/login", Serving::new().rank(Rank::High))
///     .server_timing(true)
///     .build()?;
/// assert_eq!(offload.lanes().threads(), 2);
/// # Ok::<(), tower_offload::BuildError>(())
/// ```
pub type OffloadBuilder = offload_http::OffloadBuilder<Tower>;

/// The adapter for tower, which an [`OffloadBuilder`] builds for.
#[derive(Debug)]
pub enum Tower {}

/// What a layer needs beside the lanes.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) deadline_header: Option<HeaderName>,
    pub(crate) server_timing: bool,
    pub(crate) request_span: Option<RequestSpan<Tower>>,
}
