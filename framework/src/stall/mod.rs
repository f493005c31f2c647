//! The stall watch: says which event loop is stuck, in which route, while it still is.
//!
//! A loop that stays in one poll for 100 ms keeps all its other connections waiting for 100 ms, and afterwards nobody knows
//! why. The watch is one thread beside the loops. It looks at what each of them says of itself in plain memory
//! ([`event_loop`](crate::event_loop)); a loop pays three stores a poll for that.
//!
//! # What is a stall
//!
//! A poll that has kept its loop for longer than [`threshold`](StallWatchBuilder::threshold), which also says how long a stall must
//! last to be found for certain. What counts is the thread's own CPU time, and the time that it waited inside of the poll for a lock,
//! a file or a `sleep` ([`StallKind::Waiting`]). Time that the kernel gave to other threads does not count, because no change to the
//! handler would mend that. (Only Linux tells these apart; elsewhere the wall clock decides.)
//!
//! The watch knows each poll of a request, with its route. It notices anything else, such as a background task, only because the
//! loop does not run its [`Pulse`](crate::event_loop::Pulse); that is reported as `no route`. A loop that waits in such a task is asked
//! two to ten times a second, so a shorter wait can escape; a loop that computes is asked at every second look.
//!
//! Some things look like a stalled loop from outside and are none. They have kinds of their own: [`StallKind::LaneJob`], a request on a
//! lane that runs far longer than others of its route; [`StallKind::LaneTasks`], spawned tasks that keep a lane thread; and
//! [`StallKind::BlockingPool`], a full pool for blocking work (`web::block`, `spawn_blocking`).
//!
//! # Reports
//!
//! A report is a [`tracing`] warning with the target `offload`, and a call of
//! [`on_stall`](StallWatchBuilder::on_stall). The first report comes while the stall lasts, a further one each time the stall has
//! become twice as long. There is a cap [per minute](StallWatchBuilder::reports_per_minute); the next report says how many the cap
//! has suppressed. It does not apply to [`StallWatch::recent`] and the counters.
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
