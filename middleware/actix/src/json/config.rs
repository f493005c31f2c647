//! The settings of [`Json`](super::Json).

use std::{fmt, sync::Arc};

use actix_web::{Error, HttpRequest, error::JsonPayloadError, web};

type ErrorHandler = Arc<dyn Fn(JsonPayloadError, &HttpRequest) -> Error + Send + Sync>;

/// Configures [`Json`](super::Json); put it into `app_data`.
///
/// # Examples
///
/// ```
/// use actix_offload::JsonConfig;
/// use actix_web::App;
///
/// let app = App::new().app_data(JsonConfig::default().limit(64 << 20).threshold(16 << 10));
/// ```
#[derive(Clone)]
pub struct JsonConfig {
    pub(super) limit: usize,
    pub(super) threshold: usize,
    pub(super) error_handler: Option<ErrorHandler>,
}

impl JsonConfig {
    const DEFAULT: Self = Self {
        limit: 2 << 20,
        threshold: 32 << 10,
        error_handler: None,
    };

    /// The largest request body that is accepted, in bytes. Default: 2 MiB, as in actix-web.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// The size in bytes from which a body is parsed or serialised on a lane. Default: 32 KiB, which
    /// takes serde_json about as long as the hop to a sleeping lane and back.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// What answers a body that cannot be used. Default: what `web::Json` answers.
    pub fn error_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(JsonPayloadError, &HttpRequest) -> Error + Send + Sync + 'static,
    {
        self.error_handler = Some(Arc::new(handler));
        self
    }

    pub(super) fn of(request: &HttpRequest) -> &Self {
        request
            .app_data::<Self>()
            .or_else(|| request.app_data::<web::Data<Self>>().map(|data| &***data))
            .unwrap_or(&Self::DEFAULT)
    }
}

impl Default for JsonConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for JsonConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonConfig")
            .field("limit", &self.limit)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}
