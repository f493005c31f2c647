//! What routes are called, and the methods by which they are told apart.

use actix_http::Method;

use offload_http::EMPTY;
pub(super) use offload_http::METHODS;
pub(crate) use offload_http::{UNMATCHED, named};

/// The pattern that has a name.
pub(super) fn pattern_named(name: &str) -> &str {
    if name == EMPTY { "" } else { name }
}

/// The place of a method in [`METHODS`].
pub(super) fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::DELETE => 3,
        Method::HEAD => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => 9,
    }
}
