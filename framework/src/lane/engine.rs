//! The rayon pool that a lane's threads belong to, and their beginning and end.

use std::sync::{
    Arc,
    atomic::{Ordering, fence},
};

use async_task::Runnable;
use rayon::ThreadPool;

use super::{rounds, shared::Shared, thread};

/// The pool and what its threads share. The pool ends with the last reference: lanes hold one, and so does each task
/// that has begun, because it still needs the threads.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    /// Its end is that of the helpers, and of the lane threads once they have left the gate.
    _pool: ThreadPool,
}

impl Engine {
    pub(crate) fn start(shared: Arc<Shared>, pool: ThreadPool) -> std::io::Result<Arc<Self>> {
        let lane = Arc::clone(&shared);
        // The only job that a lane thread ever takes from rayon.
        pool.spawn_broadcast(move |_| thread::serve(&lane));
        let engine = Arc::new(Self {
            shared,
            _pool: pool,
        });
        rounds::start(&engine.shared)?;
        Ok(engine)
    }

    /// Puts a task that was woken into the queue.
    pub(crate) fn resume(&self, runnable: Runnable) {
        self.shared.provide(self.shared.gate.resume(runnable));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // A thread that starts to park from here on sees that it is over, and any other can be unparked.
        fence(Ordering::SeqCst);
        for thread in &self.shared.threads {
            thread.unparker.unpark();
        }
        self.shared.watch.end();
    }
}
