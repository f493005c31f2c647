//! The stall watch: says which event loop is stuck, in which route, while it still is.
//!
//! A loop that stays in one poll for 100 ms keeps all its other connections waiting for 100 ms, and afterwards nobody knows
//! why. The watch is one thread beside the loops. It looks at what each of them says of itself in plain memory
//! ([`event_loop`](crate::event_loop)); a loop pays three stores a poll for that.
//!
//! # What is a stall
//!
//! A poll that has kept its loop for longer than [`threshold`](StallWatchBuilder::threshold) (which also says how long one has to
//! last to be found for certain), by what the thread itself did
//! in that time: its CPU time, and the time in which it waited inside of the poll, for a lock, a file or a `sleep`
//! ([`StallKind::Waiting`]). Time in which the kernel had set the thread aside in favour of another does not count, because
//! no change to the handler would mend that. (Only Linux tells these apart; elsewhere the wall clock decides.)
//!
//! Polls of requests are known one by one, with their route. Whatever else a loop polls, such as a background task, is only
//! noticed in that the loop does not come round to its [`Pulse`](crate::event_loop::Pulse); it is reported as `no route`.
//! A loop that waits rather than computes there is asked two to ten times a second, so that shorter waits can escape; one that
//! computes is asked at each second look.
//!
//! Two things look like a stalled loop from outside and are none; they are reported under names of their own:
//! [`StallKind::LaneJob`], a request on a lane that takes far longer than its like, and [`StallKind::BlockingPool`], a
//! loop's pool for blocking work (`web::block`, `spawn_blocking`) that takes nothing more.
//!
//! # Reports
//!
//! A report is a [`tracing`] warning with the target `offload`, and a call of
//! [`on_stall`](StallWatchBuilder::on_stall). The first one comes while the stall lasts, further ones of the same stall each
//! time it has become twice as long. They are capped [per minute](StallWatchBuilder::reports_per_minute); the next one that
//! is made says how many were suppressed. [`StallWatch::recent`] and the counters are complete without regard to the cap.
//!
//! On-CPU time, doubling intervals and the cap per minute follow Seastar's reactor stall detector
//! (`cpu_stall_detector` in its `reactor.cc`), which watches from a timer signal on the loop's own thread instead.
//!
//! # Examples
//!
//! ```
//! use offload_core::{clock::LoopClock, event_loop::{EventLoops, Label}, stall::StallWatch};
//! use std::{sync::mpsc, time::{Duration, Instant}};
//!
//! let loops = EventLoops::default();
//! let (tell, told) = mpsc::channel();
//! let watch = StallWatch::builder()
//!     .threshold(Duration::from_millis(5))
//!     .on_stall(move |stall| drop(tell.send(stall.clone())))
//!     .start(&loops)?;
//!
//! let here = loops.here();
//! let clock = LoopClock::new(Duration::from_micros(100));
//! let mark = clock.start();
//! here.begin(&mark, Label::NONE);
//! let stall = loop {
//!     // Stuck: it computes until it hears of itself.
//!     if let Ok(stall) = told.try_recv() {
//!         break stall;
//!     }
//! };
//! here.end(&clock.stop(mark));
//! assert!(stall.elapsed >= Duration::from_millis(5));
//! assert_eq!(watch.recent().len(), 1);
//! # Ok::<(), std::io::Error>(())
//! ```

mod builder;
mod limit;
mod log;
mod pool;
mod report;
mod rounds;
mod shared;
mod sight;
mod watch;
#[cfg(feature = "stall-backtrace")]
mod whereabouts;
#[cfg(not(feature = "stall-backtrace"))]
#[path = "nowhere.rs"]
mod whereabouts;

pub use builder::StallWatchBuilder;
pub use report::{Stall, StallCount, StallKind};
pub use watch::StallWatch;

#[cfg(all(test, not(loom)))]
mod tests;
