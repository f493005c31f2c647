//! One module a theme: its handlers, the cases that ask them, and the test that compares.

pub(crate) mod connections;
pub(crate) mod extractors;
pub(crate) mod failures;
pub(crate) mod files;
pub(crate) mod http2;
pub(crate) mod malformed;
pub(crate) mod middleware;
pub(crate) mod multipart;
pub(crate) mod requests;
pub(crate) mod responses;
pub(crate) mod routing;
pub(crate) mod runtime;
pub(crate) mod sessions;
pub(crate) mod streams;
pub(crate) mod uploads;
pub(crate) mod websockets;
