//! When an app ends, and that what it made on the lanes ends with it, before the server's future does.
//!
//! An app is served by services, one for each event loop and address, and has instances on lane threads. When its last
//! service is dropped, it has ended: its instances are told, and whoever drops that service waits until they are gone. actix
//! drops services on the threads of its workers and does not wait for that before the server's future ends. What it does
//! drop before that, in the same poll, is its own copy of the function that [`Offload::app`](crate::Offload::app) gives; so
//! that one waits for its crew: the copies of it that were called, and the services that these made.
//!
//! - L1. An instance is told by a future, so an idle lane thread wakes up for it. It is dropped on its own
//!   thread, outside of any borrow, with its panics contained. A request that is under way keeps it until it ends.
//! - L2. A request on its way keeps its service, so the last service is dropped when nobody waits for a lane any more.
//!   What runs there is cancelled by then and stops at its next await.
//! - L3. Nobody waits longer than [`PATIENCE`] for all of an app, and nobody on a lane thread, which may be the one that is
//!   waited for. Only a loop that ends waits, and the thread that has awaited its server.
//! - L4. A copy waits for those of its crew that are on other threads: what its own thread has it could wait for for ever.
//! - L5. What an app has ended with is not begun again. A service that is made later, as by a worker that actix restarts,
//!   begins another app under the same routes.

mod crew;

use std::{
    any::Any,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use offload_http::drain;

pub(crate) use self::crew::{Crew, Member};

/// One request that is under way. It keeps its service.
pub(crate) type Pass = drain::Pass<Rc<dyn Any>>;

/// So long an end is held up by lane threads that compute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Whether there is no time to wait for anything any more.
#[derive(Debug, Default)]
pub(crate) struct Hurry(AtomicBool);

impl Hurry {
    /// Nobody begins to wait from now on.
    pub(crate) fn up(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Until when is waited for one app. Its addresses and event loops end together, so they are waited for together.
#[derive(Debug, Default)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Until when is waited for what begins to end now.
    pub(crate) fn get(&mut self, hurry: &Hurry) -> Instant {
        let now = Instant::now();
        if hurry.0.load(Ordering::Relaxed) {
            return now;
        }
        match self.0 {
            Some(until) if now < until + PATIENCE => until,
            // What has ended before has nothing to do with this.
            _ => *self.0.insert(now + PATIENCE),
        }
    }

    /// The app has begun again.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}
