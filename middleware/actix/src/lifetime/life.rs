//! The life of one app: whether it has ended, and how many instances of it there are still.

use std::{
    future::Future,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

/// Tells the instances of an app that it has ended, and waits until they are gone.
#[derive(Debug)]
pub(crate) struct Life {
    over: watch::Sender<bool>,
    instances: Mutex<usize>,
    none: Condvar,
}

/// One instance of the app, until it is dropped.
#[derive(Debug)]
pub(crate) struct Alive(Arc<Life>);

impl Life {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            over: watch::Sender::new(false),
            instances: Mutex::new(0),
            none: Condvar::new(),
        })
    }

    /// There is one instance more.
    pub(crate) fn instance(self: &Arc<Self>) -> Alive {
        *self.instances() += 1;
        Alive(Arc::clone(self))
    }

    /// Ready once the app has ended. Does not keep it.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut over = self.over.subscribe();
        async move {
            // An error means that nobody is left who could say so.
            let _ = over.wait_for(|over| *over).await;
        }
    }

    /// The app has ended.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Blocks until there are no instances, or so long. Returns how many there are.
    pub(crate) fn wait(&self, until: Instant) -> usize {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self
            .none
            .wait_timeout_while(self.instances(), left, |instances| *instances > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn instances(&self) -> MutexGuard<'_, usize> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut instances = self.0.instances();
        *instances -= 1;
        if *instances == 0 {
            self.0.none.notify_all();
        }
    }
}
