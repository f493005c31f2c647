//! Makes the states and hands them to all who look on: once for all, and only while anybody does.
//!
//! H1. Whoever looks on has a [`Viewer`], which counts for [`LEASE`] at most. There are never more than [`MOST_VIEWERS`]
//!     that count.
//!
//! H2. While a viewer counts, there is exactly one task that collects. Both are decided under one lock: a viewer starts
//!     the task if there is none, and the task ends only if it sees no viewer there. So it ends also if all that are left
//!     are streams whose clients do not read.
//!
//! H3. The lock is held for a few instructions and never while anything is collected, so an event loop may take it.
//!
//! H4. Of the states only the last is kept. Who is too slow for one gets the next.

use std::{
    fmt,
    future::Future,
    ops::Range,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::web::Bytes;
use futures_util::future::select;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::{
    desk::{Desk, Terms, Ticket},
    events,
    state::State,
};
use crate::{app_routes::AppRoutes, blocking, core::Core};

pub(super) const MOST_VIEWERS: usize = 64;

/// How often a state is made for those who watch.
const INTERVAL: Duration = Duration::from_millis(500);

/// How soon after another a state is made at most, for those who ask for one now.
const SHORTEST: Duration = Duration::from_millis(50);

/// For so long states are made when nobody looks on any more, because a page that is loaded anew comes back at once.
const LINGER: Duration = Duration::from_secs(3);

/// So long a viewer counts: as long as a stream lasts, and a while for its event loop to find the time to end it.
const LEASE: Duration = events::LONGEST.saturating_add(Duration::from_secs(5));

const TERMS: Terms = Terms {
    places: MOST_VIEWERS,
    lease: LEASE,
    linger: LINGER,
};

/// One state, written for both of its readers.
#[derive(Clone)]
pub(crate) struct Frame {
    begun: Instant,
    event: Bytes,
    json: Range<usize>,
}

impl Frame {
    fn of(core: &Core, seq: u64, uptime: Duration) -> Result<Self, serde_json::Error> {
        let begun = Instant::now();
        let mut event = format!("id: {seq}\nevent: state\ndata: ").into_bytes();
        let start = event.len();
        serde_json::to_writer(&mut event, &State::collect(core, seq, uptime))?;
        let json = start..event.len();
        event.extend_from_slice(b"\n\n");
        Ok(Self {
            begun,
            event: event.into(),
            json,
        })
    }

    /// It as a server-sent event.
    pub(super) fn event(&self) -> Bytes {
        self.event.clone()
    }

    /// It as JSON.
    pub(super) fn json(&self) -> Bytes {
        self.event.slice(self.json.clone())
    }

    fn is_recent(&self) -> bool {
        self.begun.elapsed() < INTERVAL
    }
}

/// Where the states are made and handed out.
pub(crate) struct Hub {
    used: AtomicBool,
    started: Instant,
    seq: AtomicU64,
    desk: Mutex<Desk>,
    frames: watch::Sender<Option<Frame>>,
    asked: Notify,
}

/// There are as many viewers as there may be.
#[derive(Debug)]
pub(super) struct Crowded;

impl Default for Hub {
    fn default() -> Self {
        Self::on(TERMS)
    }
}

impl Hub {
    fn on(terms: Terms) -> Self {
        let started = Instant::now();
        Self {
            used: AtomicBool::new(false),
            started,
            seq: AtomicU64::new(0),
            desk: Mutex::new(Desk::new(terms, started)),
            frames: watch::Sender::new(None),
            asked: Notify::new(),
        }
    }

    /// One that is lent out for so long.
    #[cfg(test)]
    pub(super) fn with_lease(lease: Duration) -> Self {
        Self::on(Terms { lease, ..TERMS })
    }

    /// An app has the page.
    pub(super) fn note_use(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Sees to it that the page's routes run on event loops, if there is a page: before its first request.
    pub(crate) fn pin(&self, routes: &AppRoutes) {
        if self.used.load(Ordering::Relaxed) {
            routes.keep_on_loop(&["GET", "HEAD"], super::patterns);
        }
    }

    /// Lets one more look on, and sees to it that there is something to see.
    pub(super) fn join(self: &Arc<Self>, core: &Arc<Core>) -> Result<Viewer, Crowded> {
        let Some(handle) = &core.handle else {
            return Err(Crowded);
        };
        let mut desk = self.desk();
        let Some(ticket) = desk.enter(Instant::now()) else {
            return Err(Crowded);
        };
        if desk.begin() {
            handle.spawn(collect(Arc::clone(self), Arc::downgrade(core)));
        }
        drop(desk);
        Ok(Viewer {
            hub: Arc::clone(self),
            ticket,
            frames: self.frames.subscribe(),
        })
    }

    /// Whether states are being made.
    #[cfg(test)]
    pub(super) fn is_collecting(&self) -> bool {
        self.desk().is_collecting()
    }

    /// How many states were made.
    #[cfg(test)]
    pub(super) fn made(&self) -> u64 {
        self.seq.load(Ordering::Relaxed)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has looked on for a while; then nobody collects from here on (H2).
    fn is_deserted(&self) -> bool {
        self.desk().end(Instant::now())
    }

    /// Waits until it is time for the next state after one that was begun then.
    async fn next(&self, last: Instant) {
        let regular = pin!(sleep_until(last + INTERVAL));
        let asked = pin!(async {
            self.asked.notified().await;
            sleep_until(last + SHORTEST).await;
        });
        select(regular, asked).await;
    }
}

async fn collect(hub: Arc<Hub>, core: Weak<Core>) {
    while !hub.is_deserted() {
        let begun = Instant::now();
        let Some(core) = core.upgrade() else { return };
        let seq = hub.seq.fetch_add(1, Ordering::Relaxed) + 1;
        let uptime = hub.started.elapsed();
        // Not on the runtime's own thread, which serves the lanes' timers, unless there is no other: those who look on then
        // want to know why.
        match blocking::run_or_here(move || Frame::of(&core, seq, uptime)).await {
            Ok(Ok(frame)) => {
                hub.frames.send_replace(Some(frame));
            }
            Ok(Err(error)) => {
                tracing::error!(target: "offload", %error, "the live page's state could not be written");
            }
            Err(error) => {
                tracing::error!(target: "offload", %error, "the live page's state could not be collected");
            }
        }
        hub.next(begun).await;
    }
}

/// One who looks on, for as long as this lives.
pub(super) struct Viewer {
    hub: Arc<Hub>,
    ticket: Ticket,
    frames: watch::Receiver<Option<Frame>>,
}

impl Viewer {
    /// The next state that this viewer has not seen; at first the last one, unless it is old.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            self.frames.changed().await.ok()?;
            if let Some(frame) = &*self.frames.borrow_and_update() {
                return Some(frame.clone());
            }
        }
    }

    /// Has [`next`](Self::next) begin with the last state, if it is no older than what comes anyway.
    pub(super) fn look_back(&mut self) {
        let recent = self.frames.borrow().as_ref().is_some_and(Frame::is_recent);
        if recent {
            self.frames.mark_changed();
        }
    }

    /// A state that was begun after this was called.
    pub(super) fn fresh(mut self) -> impl Future<Output = Option<Frame>> {
        let asked = Instant::now();
        async move {
            self.hub.asked.notify_one();
            loop {
                let frame = self.next().await?;
                if frame.begun >= asked {
                    return Some(frame);
                }
                // One that was already under way; the next would be made at its regular time.
                self.hub.asked.notify_one();
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.hub.desk().leave(self.ticket, Instant::now());
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("desk", &self.desk)
            .finish_non_exhaustive()
    }
}
