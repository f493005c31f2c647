//! Records what the plugin logs, for all tests of this process: a process has one subscriber.

use std::{
    fmt::{self, Write},
    sync::{Mutex, Once},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Records from now on.
pub(crate) fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Recorder);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
    });
}

/// How many lines have all of these words.
pub(crate) fn lines_with(words: &[&str]) -> usize {
    let lines = LINES.lock().expect("no panic");
    let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
    lines.iter().filter(has_all).count()
}

struct Recorder;

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "offload" {
            return;
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().expect("no panic").push(line.0);
    }
}

/// A level and fields with their values.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A string always takes it.
        let _ = write!(self.0, " {field}={value:?};");
    }
}
