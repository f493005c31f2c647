//! The futures that a caller awaits: [`Run`] for a closure, [`Task`] for a future.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use async_task::FallibleTask;

use super::{body::Outcome, handle::JobHandle};
use crate::error::Error;

/// What awaits a job on a lane, whatever the job is.
enum Waiting<T> {
    Settled(Option<Result<T, Error>>),
    // The handle comes first: dropping it frees a job that is still queued, before the task gives up its output.
    Lane {
        handle: JobHandle,
        task: FallibleTask<Outcome<T>>,
    },
}

// A value of `T` is only ever moved out, never pinned.
impl<T> Unpin for Waiting<T> {}

impl<T> Waiting<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let result = match self {
            Self::Settled(result) => result.take().expect("polled after completion"),
            Self::Lane { task, handle } => match Pin::new(task).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) if handle.has_expired() => Err(Error::expired()),
                Poll::Ready(outcome) => result_of(outcome),
            },
        };
        // Whoever has got the result has not left the job alone, so its tokens must not say so.
        std::mem::replace(self, Self::Settled(None)).detach();
        Poll::Ready(result)
    }

    fn detach(self) {
        if let Self::Lane { handle, task } = self {
            handle.detach();
            task.detach();
        }
    }
}

/// What async-task has to tell, as a result.
pub(crate) fn result_of<T>(outcome: Option<Outcome<T>>) -> Result<T, Error> {
    match outcome.and_then(|mut outcome| outcome.take()) {
        Some(Ok(value)) => Ok(value),
        Some(Err(payload)) => Err(Error::panic(payload)),
        None => Err(Error::cancelled()),
    }
}

macro_rules! awaitable {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[must_use = "dropping it removes the job; await it, or call `detach` to let it run"]
        pub struct $name<T>(Waiting<T>);

        impl<T> $name<T> {
            pub(crate) fn settled(result: Result<T, Error>) -> Self {
                Self(Waiting::Settled(Some(result)))
            }

            pub(crate) fn waiting(handle: JobHandle, task: FallibleTask<Outcome<T>>) -> Self {
                Self(Waiting::Lane { handle, task })
            }

            /// Lets the job run to its end though nobody awaits it. Its value is dropped on the lane.
            pub fn detach(self) {
                self.0.detach();
            }
        }

        impl<T> Future for $name<T> {
            type Output = Result<T, Error>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                self.0.poll(cx)
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

awaitable! {
    /// A closure on its way through a lane; see [`Lanes::run`](crate::Lanes::run).
    ///
    /// # Errors
    ///
    /// Resolves to an [`Error`] that [`is_overloaded`](Error::is_overloaded), [`is_cancelled`](Error::is_cancelled) or
    /// [`is_panic`](Error::is_panic).
    ///
    /// # Panics
    ///
    /// Polling it again after it was ready panics.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before the closure has begun removes the closure from the queue and drops it at once, on the dropping
    /// thread. A closure that has begun runs to its end, and its value is dropped on the lane.
    Run
}

awaitable! {
    /// A future on its way through a lane; see [`Lanes::spawn`](crate::Lanes::spawn).
    ///
    /// # Errors
    ///
    /// Resolves to an [`Error`] that [`is_overloaded`](Error::is_overloaded), [`is_cancelled`](Error::is_cancelled) or
    /// [`is_panic`](Error::is_panic).
    ///
    /// # Panics
    ///
    /// Polling it again after it was ready panics.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before the first poll removes the future from the queue and drops it at once, on the dropping thread.
    /// After that it stops the future at its next await, and a lane thread drops it. A poll in progress is not
    /// interrupted.
    Task
}
