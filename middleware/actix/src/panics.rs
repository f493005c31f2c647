//! What becomes of a panic in the app, with actix's answer to it.

use std::{any::Any, sync::Arc};

use actix_http::Response;
use actix_web::body::BoxBody;
use offload_core::routes::Route;
use offload_http::panics;

use crate::answers;

/// The answer to a request whose handler panicked; see [`panics::answer`].
pub(crate) fn response(route: Option<&Arc<Route>>, panic: &(dyn Any + Send)) -> Response<BoxBody> {
    answers::response(&panics::answer(route.map(|route| &**route), panic))
}

/// Counts and logs a panic.
pub(crate) fn log(route: Option<&Arc<Route>>, panic: &(dyn Any + Send)) {
    panics::log(route.map(|route| &**route), panic);
}

/// Runs a part of the app whose outcome nobody waits for, which is mostly a destructor.
pub(crate) fn contain(route: Option<&Arc<Route>>, work: impl FnOnce()) {
    panics::contain(route.map(|route| &**route), work);
}
