//! What each event loop says of itself while it runs, in plain words of memory that others can read at any moment.
//!
//! An adapter registers each of its event loops with [`EventLoops::here`], surrounds each poll of a request by
//! [`EventLoop::begin`] and [`EventLoop::end`], and lets the loop run its [`Pulse`]. That is what the
//! [stall watch](crate::stall) looks at, and what reports and metrics are made of. A loop that has ended leaves the books, with
//! [`EventLoops::leave`] or with its thread.
//!
//! # Examples
//!
//! ```
//! use offload_core::{clock::LoopClock, event_loop::{EventLoops, Label}};
//! use std::time::Duration;
//!
//! let loops = EventLoops::default();
//! // On the thread of the event loop, once:
//! let here = loops.here();
//! let clock = LoopClock::new(Duration::from_micros(100));
//! // Around each poll:
//! let mark = clock.start();
//! here.begin(&mark, Label::NONE);
//! let measured = clock.stop(mark);
//! here.end(&measured);
//! here.count_poll(measured.wall, Label::NONE);
//!
//! assert_eq!(loops.all()[0].snapshot().polls.iter().sum::<u64>(), 1);
//! ```

mod heard;
mod poll_times;
mod pulse;
mod record;
mod registry;
mod snapshot;
mod turn;

pub use poll_times::BOUNDS;
pub use pulse::Pulse;
pub use record::EventLoop;
pub use registry::EventLoops;
pub use snapshot::Snapshot;
pub use turn::Label;

#[cfg(feature = "metrics")]
pub(crate) use poll_times::CLASSES;
pub(crate) use poll_times::PollTimes;
pub(crate) use record::Role;
pub(crate) use turn::Poll;
