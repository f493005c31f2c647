//! The size that a request declares for its body, which decides its bucket in the cost model.

use actix_http::header::{self, HeaderMap};
use offload_core::cost::BodySize;

/// Reads the declared size; `empty` says that there is no body at all.
pub(crate) fn declared_size(empty: bool, headers: &HeaderMap) -> BodySize {
    if empty {
        return BodySize::Known(0);
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    length.map_or(BodySize::Unknown, BodySize::Known)
}
