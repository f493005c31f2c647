//! A thread that brings together what was measured and writes it as text, so that no event loop spends time on it.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use actix_offload::{BOUNDS, Publisher};
use futures_channel::oneshot;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::handlers::report::Plugin;

/// So often what was measured is handed over, also while nobody asks, so that there is never much of it.
const EVERY: Duration = Duration::from_secs(5);

/// So many may wait for an answer at a time.
const WAITING: usize = 16;

/// Answers what Prometheus asks for.
#[derive(Debug)]
pub(crate) struct Collector {
    questions: SyncSender<oneshot::Sender<String>>,
}

impl Collector {
    /// Starts the thread, which ends when the collector is dropped.
    pub(crate) fn start(plugin: &Plugin) -> io::Result<Self> {
        let (questions, asked) = sync_channel(WAITING);
        let publisher = match plugin {
            Plugin::Auto(offload) => Some(offload.metrics()),
            Plugin::Off => None,
        };
        thread::Builder::new()
            .name("demo-metrics".to_owned())
            .spawn(move || collect(&asked, publisher.as_ref()))?;
        Ok(Self { questions })
    }

    /// All metrics in the text format of Prometheus; `None` if too many ask.
    pub(crate) async fn text(&self) -> Option<String> {
        let (answer, text) = oneshot::channel();
        self.questions.try_send(answer).ok()?;
        text.await.ok()
    }
}

fn collect(asked: &Receiver<oneshot::Sender<String>>, publisher: Option<&Publisher>) {
    let recorder = recorder();
    let handle: PrometheusHandle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        describe_gauge!("demo_up", "Whether the demo answers.");
        describe_gauge!(
            "demo_offload_enabled",
            "Whether the plugin is around the app."
        );
        gauge!("demo_up").set(1.0);
        gauge!("demo_offload_enabled").set(f64::from(u8::from(publisher.is_some())));
        loop {
            let question = asked.recv_timeout(EVERY);
            if let Err(RecvTimeoutError::Disconnected) = question {
                return;
            }
            if let Some(publisher) = publisher {
                publisher.publish();
            }
            match question {
                // Who asked may have gone.
                Ok(answer) => drop(answer.send(handle.render())),
                Err(_) => handle.run_upkeep(),
            }
        }
    });
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets(&BOUNDS)
        .expect("there are some")
        .build_recorder()
}
