//! What all services of a layer share.

use std::sync::Arc;

use offload_http::App;

use crate::{
    builder::Options,
    naming::{Naming, Protocol},
};

/// What all services of a layer share.
pub(crate) struct Layered {
    pub(crate) app: Arc<App>,
    pub(crate) options: Arc<Options>,
    pub(crate) naming: Naming,
    pub(crate) protocol: Protocol,
}
