//! What each event loop says of itself: how many polls, how long the longest, of which route, and whether it comes round.

use std::sync::Arc;

use offload_core::event_loop::{EventLoop, EventLoops};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::local::blocking::LoopPools;

/// The event loops of an [`Offload`](crate::Offload).
#[derive(Debug)]
pub(crate) struct LoopRecords {
    /// Whether a thread asks for a core soon from when it is an event loop on.
    prompt: bool,
    /// Whether anybody asks whether they come round.
    watched: bool,
    loops: EventLoops,
    pools: Arc<LoopPools>,
}

impl LoopRecords {
    pub(crate) fn new(
        loops: EventLoops,
        prompt: bool,
        watched: bool,
        pools: Arc<LoopPools>,
    ) -> Self {
        Self {
            prompt,
            watched,
            loops,
            pools,
        }
    }

    /// The record of the calling thread, which becomes an event loop if it was none, until it is [left](Self::leave).
    pub(crate) fn here(&self) -> Arc<EventLoop> {
        let here = self.loops.here();
        if self.prompt {
            offload_core::wake_promptly(); // Asking twice changes nothing.
        }
        let runtime = Handle::try_current()
            .ok()
            // Another kind has no thread of its own for this loop.
            .filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if let Some(runtime) = runtime {
            self.pools.add(&runtime);
            if self.watched {
                let_others_hear(&here, runtime);
            }
        }
        here
    }

    /// Whoever asked for it is done. After the last one the loop has ended.
    pub(crate) fn leave(&self, here: &Arc<EventLoop>) {
        self.loops.leave(here);
    }
}

/// Has the runtime of the calling thread run the loop's pulse.
fn let_others_hear(here: &Arc<EventLoop>, runtime: Handle) {
    let Some(pulse) = here.pulse() else { return };
    runtime.spawn(pulse);
    here.pool(move |job| drop(runtime.spawn_blocking(job)));
}
