//! Together with `tracing-actix-web`, which makes a span of its own inside of the app.

use actix_offload::{Mode, Offload, OffloadBuilder, Placement};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    web,
};
use offload_tests::server::TestServer;
use opentelemetry::trace::{SpanId, TraceId};
use tracing::{Span, field::Empty, info_span};
use tracing_actix_web::{DefaultRootSpanBuilder, RootSpanBuilder, TracingLogger};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    hook::{CALLERS_SPAN, ask, caller, span_of, traceparent},
    telemetry::{self, Trace},
};

fn lanes() -> OffloadBuilder {
    telemetry::install();
    Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .mode(Mode::Lane)
}

fn serve<R: RootSpanBuilder + 'static>(offload: &Offload, path: &'static str) -> TestServer {
    TestServer::start(offload.app(move || {
        let works = || async {
            info_span!("work").in_scope(|| {});
            "done"
        };
        App::new()
            .wrap(TracingLogger::<R>::new())
            .route(path, web::get().to(works))
    }))
}

#[test]
fn its_span_is_inside_of_run() {
    let offload = lanes().build().expect("starts");
    let server = serve::<DefaultRootSpanBuilder>(&offload, "/logger/plain");
    for _ in 0..2 {
        ask(&server, "/logger/plain", &[]);
    }
    let trace = Trace::to("/logger/plain");
    let request = trace.outermost();
    let (_, run) = trace.wait_and_run(request);
    let logger = trace
        .spans()
        .iter()
        .find(|span| !span.get("http.target").is_empty());
    let logger = logger.expect("its span");
    assert_eq!(logger.parent(), run.id(), "{trace:?}");
    assert_eq!(trace.only("work").parent(), logger.id());
}

#[test]
fn with_the_hook_both_are_in_the_callers_trace() {
    let offload = lanes().request_span(span_of).build().expect("starts");
    let server = serve::<DefaultRootSpanBuilder>(&offload, "/logger/caller");
    let caller = 0xa;
    ask(&server, "/logger/caller", &[&traceparent(caller)]);
    let trace = Trace::to("/logger/caller");
    let named = |name: &str| trace.only(name);
    let (request, logger) = (named("HTTP"), named("GET /logger/caller"));
    assert_eq!(request.trace_id(), TraceId::from(caller));
    trace.wait_and_run(request);
    // It always goes by the header, so here it is beside the request's span and not inside.
    let parents = [request.parent(), logger.parent()];
    assert_eq!(parents, [SpanId::from(CALLERS_SPAN); 2], "{trace:?}");
    assert_eq!(named("work").parent(), logger.id());
}

/// Makes a child of the span that is current, and goes by the header only where there is none.
struct Nesting;

impl RootSpanBuilder for Nesting {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let outside = Span::current().is_disabled();
        let span = info_span!(
            "app",
            http.status_code = Empty,
            otel.status_code = Empty,
            exception.message = Empty,
            exception.details = Empty,
        );
        if outside {
            // It fails where the span is disabled.
            let _ = span.set_parent(caller(request.headers()));
        }
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        DefaultRootSpanBuilder::on_request_end(span, outcome);
    }
}

#[test]
fn a_root_span_of_ones_own_is_inside_of_run_in_the_callers_trace() {
    let builder = lanes().mode(Mode::Auto);
    let builder = builder.pin("GET", "/logger/loop", Placement::Loop);
    let builder = builder.pin("GET", "/logger/lane", Placement::Lane);
    let offload = builder.request_span(span_of).build().expect("starts");

    let server = serve::<Nesting>(&offload, "/logger/lane");
    ask(&server, "/logger/lane", &[&traceparent(0xb)]);
    let trace = Trace::to("/logger/lane");
    assert_eq!(trace.names(), ["HTTP", "app", "queue", "run", "work"]);
    let request = trace.outermost();
    assert_eq!(request.parent(), SpanId::from(CALLERS_SPAN));
    let (_, run) = trace.wait_and_run(request);
    assert_eq!(trace.only("app").parent(), run.id());
    assert_eq!(trace.only("work").parent(), trace.only("app").id());

    let server = serve::<Nesting>(&offload, "/logger/loop");
    ask(&server, "/logger/loop", &[&traceparent(0xc)]);
    drop(server);
    let trace = Trace::of(TraceId::from(0xc));
    assert_eq!(
        trace.names(),
        ["app", "work"],
        "light: no hop, no further spans"
    );
    assert_eq!(trace.only("app").parent(), SpanId::from(CALLERS_SPAN));
}
