//! What becomes of a panic in the app: a log line with its route, a count, and an answer.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix_http::Response;
use actix_web::body::BoxBody;
use offload_core::routes::Route;

use crate::answers;

/// The answer to a request whose handler panicked: 500, or 503 if the panic only carries the news
/// that the lane would not take the handler's `#[offload]` work.
pub(crate) fn response(route: Option<&Arc<Route>>, panic: &(dyn Any + Send)) -> Response<BoxBody> {
    if let Some(error) = panic.downcast_ref::<offload_core::Error>()
        && !error.is_panic()
    {
        return answers::overloaded(error.projected_delay().unwrap_or_default());
    }
    log(route, panic);
    answers::internal_error()
}

/// Counts and logs a panic.
pub(crate) fn log(route: Option<&Arc<Route>>, panic: &(dyn Any + Send)) {
    let (method, pattern) = match route {
        Some(route) => {
            route.count_panic();
            (route.method(), route.pattern())
        }
        None => ("(unknown)", "(unknown)"),
    };
    tracing::error!(
        target: "offload",
        method,
        pattern,
        message = text(panic),
        "a handler panicked",
    );
}

/// Runs a part of the app whose outcome nobody waits for, which is mostly a destructor.
pub(crate) fn contain(route: Option<&Arc<Route>>, work: impl FnOnce()) {
    // What panicked is gone afterwards.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        log(route, &*panic);
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a payload that is not text")
}
