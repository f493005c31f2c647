//! What routes are called, and the methods by which they are told apart.

use actix_http::Method;

/// The label of what no resource pattern matches: default services and 404s.
pub(crate) const UNMATCHED: &str = "(unmatched)";

/// The name of the empty pattern, which would be none in a log.
pub(crate) const EMPTY: &str = "(empty)";

/// The name that a pattern has in reports, logs and settings.
pub(crate) fn named(pattern: &str) -> &str {
    if pattern.is_empty() { EMPTY } else { pattern }
}

/// The pattern that has a name.
pub(super) fn pattern_named(name: &str) -> &str {
    if name == EMPTY { "" } else { name }
}

pub(super) const METHODS: [&str; 10] = [
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "(extension)",
];

/// Methods outside of the standard share one place, because a client may invent any number of them.
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

/// Whether `method` is one that a route can be pinned by.
pub(crate) fn is_method(method: &str) -> bool {
    METHODS.contains(&method)
}
