//! The settings of an [`Offload`], and what its layers need of them.

use http::HeaderName;
use offload_http::{Adapter, BuildError, Plugin, RequestSpan, Settings};

use crate::{naming::Head, offload::Offload};

/// Builds an [`Offload`].
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
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) deadline_header: Option<HeaderName>,
    pub(crate) server_timing: bool,
}

impl Adapter for Tower {
    type Head<'a> = Head<'a>;
    type Offload = Offload;

    fn start(
        settings: Settings,
        _request_span: Option<RequestSpan<Self>>,
    ) -> Result<Offload, BuildError> {
        let deadline_header = settings.deadline_header.as_deref();
        let deadline_header = deadline_header.map(|name| {
            HeaderName::try_from(name).expect("the builder has checked that it is a name")
        });
        let options = Options {
            deadline_header,
            server_timing: settings.server_timing,
        };
        Ok(Offload::new_with(Plugin::start(settings)?, options))
    }
}
