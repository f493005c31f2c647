//! The builder's hook makes the request's span: with the caller's trace as its parent, for example.

use actix_http::RequestHead;
use actix_offload::{Mode, Offload, OffloadBuilder};
use actix_web::{App, http::header::HeaderMap, web};
use offload_tests::{client::Client, response::RawResponse, server::TestServer};
use opentelemetry::{
    Context,
    propagation::Extractor,
    trace::{SpanId, SpanKind, TraceId},
};
use tracing::{Span, field::Empty, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::telemetry::{self, Trace, closed, entered_at};

pub(crate) const CALLERS_TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
pub(crate) const CALLERS_SPAN: u64 = 0xb7ad_6b71_6920_3331;

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

/// The trace of whoever asks.
pub(crate) fn caller(headers: &HeaderMap) -> Context {
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(headers))
    })
}

/// What an app's hook looks like.
pub(crate) fn span_of(head: &RequestHead) -> Span {
    let span = info_span!(
        "HTTP",
        otel.kind = "server",
        url.path = head.uri.path(),
        http.route = Empty,
        http.response.status_code = Empty,
    );
    // It fails where the span is disabled, and then there is nothing to set.
    let _ = span.set_parent(caller(&head.headers));
    span
}

pub(crate) fn traceparent(trace: u128) -> String {
    format!("traceparent: 00-{trace:032x}-{CALLERS_SPAN:016x}-01")
}

pub(crate) fn ask(server: &TestServer, path: &str, headers: &[&str]) -> RawResponse {
    let client = Client::new(server.addr());
    client.ask("GET", path, headers, b"").expect("answers")
}

fn lanes() -> OffloadBuilder {
    telemetry::install();
    Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .mode(Mode::Lane)
}

fn serve(offload: &Offload, path: &'static str) -> TestServer {
    TestServer::start(offload.app(move || {
        let works = || async {
            info_span!("work").in_scope(|| {});
            "done"
        };
        App::new().route(path, web::get().to(works))
    }))
}

#[test]
fn the_callers_trace_goes_on() {
    let offload = lanes().request_span(span_of).build().expect("starts");
    let server = serve(&offload, "/goes/on");
    let response = ask(&server, "/goes/on", &[&traceparent(CALLERS_TRACE)]);
    assert_eq!(response.status(), 200);
    let trace = Trace::to("/goes/on");
    assert_eq!(trace.names(), ["HTTP", "queue", "run", "work"]);
    let request = trace.outermost();
    assert_eq!(request.trace_id(), TraceId::from(CALLERS_TRACE));
    assert_eq!(request.parent(), SpanId::from(CALLERS_SPAN));
    assert_eq!(request.data().span_kind, SpanKind::Server);
    assert_eq!(request.get("http.route"), "/goes/on");
    assert_eq!(request.get("http.response.status_code"), "200");
    let (_, run) = trace.wait_and_run(request);
    assert_eq!(trace.only("work").parent(), run.id());
}

#[test]
fn a_caller_without_a_trace_begins_one() {
    let offload = lanes().request_span(span_of).build().expect("starts");
    let server = serve(&offload, "/begins");
    ask(&server, "/begins", &[]);
    let trace = Trace::to("/begins");
    assert!(trace.outermost().is_root());
    trace.wait_and_run(trace.outermost());
}

#[test]
fn whoever_does_not_want_the_plugins_spans_still_finds_the_requests() {
    let offload = lanes().request_span(span_of).build().expect("starts");
    let server = TestServer::start(offload.app(|| {
        let works = || async {
            info_span!("work").in_scope(|| info!("deep inside"));
            "done"
        };
        App::new().route("/hidden", web::get().to(works))
    }));
    ask(&server, "/hidden", &[]);
    assert_eq!(entered_at("deep inside"), ["HTTP", "work"]);
}

#[test]
fn a_hook_that_makes_none_or_panics_leaves_the_request_without() {
    for (path, panics) in [("/made/none", false), ("/made/panic", true)] {
        let offload = lanes().request_span(move |_| {
            assert!(!panics, "on purpose");
            Span::none()
        });
        let offload = offload.build().expect("starts");
        let server = serve(&offload, path);
        assert_eq!(ask(&server, path, &[]).body, b"done");
    }
    let about = |path: &str| {
        let route = format!("GET {path}");
        let mut closed = closed().into_iter();
        closed.any(|span| span.get("route") == route || span.get("url.path") == path)
    };
    assert!(!about("/made/none") && !about("/made/panic"));
}
