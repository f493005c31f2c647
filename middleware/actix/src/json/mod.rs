//! [`Json<T>`]: an extractor and responder that leaves the event loop where the body is large enough
//! to pay for the way.
//!
//! Meant for apps that are not served through [`Offload::app`](crate::Offload::app). Under it, plain
//! `web::Json` does as well or better, because the whole request moves in one hop.

mod config;
mod extract;
mod respond;

use std::{fmt, ops};

use offload_core::{BuildError, Lanes, ambient};

pub use self::config::JsonConfig;
use crate::answers;

/// A JSON body that is parsed, or serialised, on a lane if it is large.
///
/// Used like `actix_web::web::Json`; `T` has to be `Send`, because it crosses threads. Differences:
///
/// - Its limit and error handler come from [`JsonConfig`], not from `web::JsonConfig`.
/// - A compressed request body is not decoded.
/// - A large response is streamed (chunked), because its length is not known when its head is sent.
///   A value that fails to serialise after the threshold therefore cuts the response, and is logged,
///   instead of answering 500.
///
/// # Examples
///
/// ```
/// use actix_offload::Json;
/// use actix_web::{App, web};
///
/// async fn sorted(Json(mut numbers): Json<Vec<i64>>) -> Json<Vec<i64>> {
///     numbers.sort_unstable();
///     Json(numbers)
/// }
///
/// let app = App::new().route("/sorted", web::post().to(sorted));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Json<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> ops::Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> ops::DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: fmt::Display> fmt::Display for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether the calling thread is none of a rayon pool's: only then is it worth to leave it.
fn on_event_loop() -> bool {
    rayon::current_thread_index().is_none()
}

/// The lanes that surround the calling code, or the fallback lanes of an app without a plugin.
fn lanes() -> Result<Lanes, BuildError> {
    match ambient::current().and_then(|host| host.lanes()) {
        Some(lanes) => Ok(lanes),
        None => Lanes::fallback(),
    }
}

/// What a request is answered whose JSON the lane would not take, or whose parsing panicked.
fn refused(error: offload_core::Error) -> actix_web::Error {
    let answer = if error.is_panic() {
        tracing::error!(target: "offload", %error, "JSON work panicked");
        answers::internal_error()
    } else {
        answers::overloaded(error.projected_delay().unwrap_or_default())
    };
    actix_web::error::InternalError::from_response(error, answer.into()).into()
}
