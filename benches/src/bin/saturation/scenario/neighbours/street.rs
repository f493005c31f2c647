//! The strangers beside a server, who stay as long as it is measured and go if nobody else gets anything done.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{control_group::Group, strangers::Strangers};

/// Control groups of the same weight, as two services have them by default.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) server: Group,
    strangers: Group,
}

impl Groups {
    /// Makes both.
    ///
    /// # Errors
    ///
    /// Why that cannot be done here.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            server: Group::new("server")?,
            strangers: Group::new("strangers")?,
        })
    }
}

/// So many strangers, who come when they are needed.
#[derive(Debug)]
pub(super) struct Street<'a> {
    pub(super) count: usize,
    pub(super) groups: Option<&'a Groups>,
    /// How long a stranger computes if nobody ends it.
    pub(super) most: Duration,
    pub(super) strangers: Option<Strangers>,
}

impl Street<'_> {
    /// Puts a load on the server beside the strangers.
    ///
    /// If it is not over after `limit` the strangers go, and come again for the next one. Who has no answer by then gets it
    /// late, but soon enough for a run to come to its end.
    pub(super) fn beside<T: Send>(
        &mut self,
        limit: Duration,
        load: impl FnOnce() -> T + Send,
    ) -> io::Result<T> {
        let mut strangers = match self.strangers.take() {
            Some(strangers) => strangers,
            None => {
                let group = self.groups.map(|groups| &groups.strangers);
                Strangers::start(self.count, self.most, group)?
            }
        };
        let (over, told) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let loading = scope.spawn(move || {
                let outcome = load();
                drop(over);
                outcome
            });
            let waited = told.recv_timeout(limit);
            strangers.all_compute()?;
            match waited {
                Err(RecvTimeoutError::Timeout) => drop(strangers),
                _ => self.strangers = Some(strangers),
            }
            Ok(loading.join().expect("a client does not panic"))
        })
    }
}
