//! A thread that brings together what was measured and writes it as text, so that no event loop spends time on it.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

use actix_offload::{BOUNDS, Publisher};
use futures_channel::oneshot;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::on_actix::report::Plugin;

/// So often what was measured is handed over, also while nobody asks, so that there is never much of it.
const EVERY: Duration = Duration::from_secs(5);

/// So many may wait for an answer at a time.
const WAITING: usize = 16;

/// Answers what Prometheus asks for.
#[derive(Debug)]
pub(crate) struct Collector {
    questions: SyncSender<oneshot::Sender<String>>,
}

/// Why there are no metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoMetrics {
    #[error("metrics are being asked for too often")]
    TooManyAsk,
    #[error("the thread that writes them has ended")]
    Ended,
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

    /// All metrics in the text format of Prometheus.
    ///
    /// # Errors
    ///
    /// Why there are none: what passes is told from what does not.
    pub(crate) async fn text(&self) -> Result<String, NoMetrics> {
        let (answer, text) = oneshot::channel();
        self.questions.try_send(answer).map_err(|why| match why {
            TrySendError::Full(_) => NoMetrics::TooManyAsk,
            TrySendError::Disconnected(_) => NoMetrics::Ended,
        })?;
        text.await.map_err(|_| NoMetrics::Ended)
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

#[cfg(test)]
mod tests {
    use actix_web::{http::StatusCode, web::Data};

    use super::*;

    async fn status(questions: SyncSender<oneshot::Sender<String>>) -> StatusCode {
        let collector = Data::new(Collector { questions });
        crate::metrics::metrics(collector).await.status()
    }

    #[actix_web::test]
    async fn too_many_questions_are_told_from_nobody_to_answer_them() {
        let (questions, asked) = sync_channel(0);
        assert_eq!(status(questions).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(asked);

        let (questions, asked) = sync_channel(1);
        drop(asked);
        assert_eq!(status(questions).await, StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[actix_web::test]
    async fn a_thread_that_ends_with_a_question_open_has_ended() {
        let (questions, asked) = sync_channel::<oneshot::Sender<String>>(1);
        let ends = thread::spawn(move || drop(asked.recv()));
        assert_eq!(status(questions).await, StatusCode::INTERNAL_SERVER_ERROR);
        ends.join().expect("no panic");
    }
}
