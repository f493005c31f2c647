//! What becomes of a panic in the app: a log line with its route, a count, and an answer.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use offload_core::routes::Route;

use crate::answer::Answer;

/// What a panic carried.
pub type PanicPayload = Box<dyn Any + Send>;

/// The answer to a request whose handler panicked: 500, or 503 if the panic only carries the news
/// that the lane would not take the handler's `#[offload]` work.
#[must_use]
pub fn answer(route: Option<&Route>, panic: &(dyn Any + Send)) -> Answer {
    if let Some(error) = panic.downcast_ref::<offload_core::Error>()
        && !error.is_panic()
    {
        return Answer::of(error);
    }
    log(route, panic);
    Answer::Panicked
}

/// Counts and logs a panic.
pub fn log(route: Option<&Route>, panic: &(dyn Any + Send)) {
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
pub fn contain(route: Option<&Route>, work: impl FnOnce()) {
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
