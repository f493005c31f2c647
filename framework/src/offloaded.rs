//! What `#[offload]` expands to calls: finds the lanes, runs the body there, and gives its value or its panic back.
//!
//! This module is public as `__private` for the macro's sake only and follows no version rules.

use std::{future::Future, panic::resume_unwind, time::Duration};

use crate::{admission::Refusal, ambient, error::Error, lane::Place, lanes::Lanes};

/// Runs the body of an `#[offload]` function that is not async.
///
/// # Panics
///
/// Resumes the body's panic. If the lane refuses or cancels the job, it unwinds with the [`Error`] as the payload and
/// without a printed message, so that an adapter that catches it can answer accordingly.
pub async fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match lane_for_body() {
        Where::Here => f(),
        Where::On(lanes) => settle(lanes.run(f).await),
    }
}

/// Runs the body of an `#[offload]` function that is async.
///
/// # Panics
///
/// As [`run`] does.
pub async fn spawn<Fut>(future: Fut) -> Fut::Output
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    match lane_for_body() {
        Where::Here => future.await,
        Where::On(lanes) => settle(lanes.spawn(future).await),
    }
}

enum Where {
    Here,
    On(Lanes),
}

fn lane_for_body() -> Where {
    let host = ambient::current();
    if let Some(host) = &host {
        host.offload_met();
    }
    // No lane thread is an event loop, so the body may run on any of them; a second hop would only cost.
    if Place::exists() {
        return Where::Here;
    }
    match host.and_then(|host| host.lanes()) {
        Some(lanes) => Where::On(lanes),
        None => match Lanes::fallback() {
            Ok(lanes) => Where::On(lanes),
            Err(error) => {
                tracing::error!(target: "offload", %error, "no lane for an #[offload] function");
                // Without threads there is no capacity, which is what the client is told.
                resume_unwind(Box::new(Error::overloaded(Duration::ZERO, Refusal::Closed)))
            }
        },
    }
}

fn settle<T>(result: Result<T, Error>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => match error.into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(error) => resume_unwind(Box::new(error)),
        },
    }
}
