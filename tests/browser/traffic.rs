//! Clients that keep asking while a test looks at the page, and stop with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use offload_tests::client::Client;

/// Clients in threads of their own. Dropping it lets each end its last request.
#[derive(Debug)]
pub(crate) struct Traffic {
    client: Client,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Traffic {
    pub(crate) fn to(client: Client) -> Self {
        Self {
            client,
            stop: Arc::default(),
            clients: Vec::new(),
        }
    }

    /// Adds `clients` that ask for `target` again and again, each with this pause in between. The answers are counted.
    pub(crate) fn add(&mut self, clients: usize, target: &str, pause: Duration) -> Arc<AtomicU64> {
        let answers = Arc::<AtomicU64>::default();
        for _ in 0..clients {
            let (client, stop, answers) = (self.client, self.stop.clone(), answers.clone());
            let target = target.to_owned();
            self.clients.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // A refusal is an answer, and what a flood may get.
                    if client.get(&target).is_ok() {
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::sleep(pause);
                }
            }));
        }
        answers
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            // It has nothing to say that the test does not see by itself.
            let _ended = client.join();
        }
    }
}
