//! The process's subscriber, and the traces that it has made.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    io,
    sync::{Mutex, OnceLock},
};

use opentelemetry::{
    Value,
    trace::{SpanId, TraceId, TracerProvider},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Id,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
    fmt::MakeWriter,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::gate::wait_until;

static EXPORTER: OnceLock<InMemorySpanExporter> = OnceLock::new();
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ENTERED: Mutex<Vec<(String, Vec<&str>)>> = Mutex::new(Vec::new());

/// Installs what records the traces of this process, once.
pub(crate) fn install() {
    EXPORTER.get_or_init(|| {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("tests"));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(Lines);
        let subscriber = Registry::default()
            .with(LevelFilter::INFO)
            .with(traces)
            .with(lines)
            .with(Entered.with_filter(filter_fn(|metadata| metadata.target() != "offload")));
        tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        exporter
    });
}

/// The log line with this text.
pub(crate) fn line_with(text: &str) -> String {
    let lines = LINES.lock().expect("no panic").clone();
    let lines = String::from_utf8(lines).expect("lines are text");
    let line = lines.lines().find(|line| line.contains(text));
    line.unwrap_or_else(|| panic!("no line has {text:?}"))
        .to_owned()
}

/// Which spans were entered on the thread of the event with this text, for a layer that does not get the plugin's.
pub(crate) fn entered_at(text: &str) -> Vec<&'static str> {
    let entered = ENTERED.lock().expect("no panic");
    let at = entered.iter().find(|(event, _)| event.contains(text));
    at.expect("there is such an event").1.clone()
}

/// Keeps the spans that are entered by itself, as a layer may that has a context of its own for them.
struct Entered;

thread_local! {
    static STACK: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Entered {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let name = context.metadata(id).expect("it is alive").name();
        STACK.with_borrow_mut(|stack| stack.push(name));
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        STACK.with_borrow_mut(Vec::pop);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let stack = STACK.with_borrow(Vec::clone);
        ENTERED.lock().expect("no panic").push((text.0, stack));
    }
}

/// The fields of an event.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A string always takes it.
        let _ = write!(self.0, "{field}={value:?};");
    }
}

#[derive(Clone, Copy, Debug)]
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// All spans that were closed so far.
pub(crate) fn closed() -> Vec<Span> {
    let exporter = EXPORTER.get().expect("installed");
    let spans = exporter.get_finished_spans().expect("it exports");
    spans.into_iter().map(Span).collect()
}

/// One span that was closed.
#[derive(Clone)]
pub(crate) struct Span(SpanData);

impl Span {
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn id(&self) -> SpanId {
        self.0.span_context.span_id()
    }

    pub(crate) fn trace_id(&self) -> TraceId {
        self.0.span_context.trace_id()
    }

    pub(crate) fn parent(&self) -> SpanId {
        self.0.parent_span_id
    }

    pub(crate) fn is_root(&self) -> bool {
        self.parent() == SpanId::INVALID
    }

    pub(crate) fn events(&self) -> usize {
        self.0.events.len()
    }

    pub(crate) fn data(&self) -> &SpanData {
        &self.0
    }

    /// What it has under `key`; empty if it has nothing. Nothing is said twice.
    pub(crate) fn get(&self, key: &str) -> String {
        let mut found = self
            .0
            .attributes
            .iter()
            .filter(|pair| pair.key.as_str() == key);
        let value = found.next().map(|pair| match &pair.value {
            Value::I64(number) => number.to_string(),
            other => other.as_str().into_owned(),
        });
        assert_eq!(found.count(), 0, "{key} was recorded twice");
        value.unwrap_or_default()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.name(), self.id(), self.parent())
    }
}

/// All spans of one trace.
#[derive(Debug)]
pub(crate) struct Trace(Vec<Span>);

impl Trace {
    /// The trace of the request to this path, once its span is closed, which has to be the first one that says so.
    ///
    /// A span is closed after all inside of it.
    pub(crate) fn to(path: &str) -> Self {
        let find = || {
            closed()
                .into_iter()
                .find(|span| span.get("url.path") == path)
        };
        wait_until(&format!("the request to {path} is closed"), || {
            find().is_some()
        });
        Self::of(find().expect("it was there").trace_id())
    }

    /// What is there of this trace.
    pub(crate) fn of(id: TraceId) -> Self {
        Self(
            closed()
                .into_iter()
                .filter(|span| span.trace_id() == id)
                .collect(),
        )
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The names of all, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(Span::name).collect();
        names.sort_unstable();
        names
    }

    /// The span that all others are inside of.
    pub(crate) fn outermost(&self) -> &Span {
        let is_inside = |span: &&Span| self.0.iter().any(|other| other.id() == span.parent());
        let mut outermost = self.0.iter().filter(|span| !is_inside(span));
        let span = outermost.next().expect("a trace has spans");
        assert_eq!(
            outermost.count(),
            0,
            "parts of {self:?} hang together by nothing"
        );
        span
    }

    /// The only span of that name.
    pub(crate) fn only(&self, name: &str) -> &Span {
        let mut found = self.0.iter().filter(|span| span.name() == name);
        let span = found.next();
        assert_eq!(found.count(), 0, "several {name} in {self:?}");
        span.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// Whether one span is inside of the other, at any depth.
    pub(crate) fn is_inside(&self, span: &Span, outer: &Span) -> bool {
        let mut parent = span.parent();
        while parent != SpanId::INVALID {
            if parent == outer.id() {
                return true;
            }
            let next = self.0.iter().find(|span| span.id() == parent);
            parent = next.map_or(SpanId::INVALID, Span::parent);
        }
        false
    }

    /// `queue` and `run`, which are children of `request`, after each other.
    pub(crate) fn wait_and_run(&self, request: &Span) -> (&Span, &Span) {
        let (queue, run) = (self.only("queue"), self.only("run"));
        assert_eq!(
            (queue.parent(), run.parent()),
            (request.id(), request.id()),
            "{self:?}"
        );
        assert!(queue.data().end_time <= run.data().end_time, "{self:?}");
        (queue, run)
    }
}
