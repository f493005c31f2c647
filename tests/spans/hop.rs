//! A request that moves has `queue` and `run` inside of its span, and all that its handler does is inside of `run`.

use std::{convert::Infallible, thread};

use actix_offload::{Mode, Offload, OffloadBuilder, Placement, offload};
use actix_web::{
    App, HttpResponse,
    rt::task::yield_now,
    web::{self, Bytes},
};
use futures_util::stream;
use offload_tests::{client::Client, server::TestServer};
use opentelemetry::trace::SpanKind;
use tracing::{Instrument, info, info_span};

use crate::telemetry::{self, Trace, closed};

fn lanes() -> OffloadBuilder {
    telemetry::install();
    Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .mode(Mode::Lane)
}

fn get(server: &TestServer, path: &str) -> Vec<u8> {
    let response = Client::new(server.addr()).get(path).expect("answers");
    assert_eq!(response.status(), 200);
    response.body
}

#[offload]
async fn annotated() {
    info_span!("annotated").in_scope(|| {});
    yield_now_anywhere().await;
    info_span!("annotated later").in_scope(|| {});
}

/// Awaits once on any executor.
async fn yield_now_anywhere() {
    let mut yielded = false;
    std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

async fn works(offload: web::Data<Offload>) -> &'static str {
    info_span!("first").in_scope(|| {});
    yield_now().await;
    async {
        info!("an event");
        yield_now().await;
        annotated().await;
    }
    .instrument(info_span!("later"))
    .await;
    let closure = offload
        .lanes()
        .run(|| info_span!("closure").in_scope(|| {}));
    closure.await.expect("it runs");
    let blocking = tracing::Span::current();
    let blocking = move || blocking.in_scope(|| info_span!("blocking").in_scope(|| {}));
    web::block(blocking).await.expect("it runs");
    "done"
}

#[test]
fn queue_and_run_are_inside_of_the_requests_span_and_the_handler_is_inside_of_run() {
    let offload = lanes().build().expect("starts");
    let data = web::Data::new(offload.clone());
    let server = TestServer::start(offload.app(move || {
        let data = data.clone();
        App::new()
            .app_data(data)
            .route("/works/{id}", web::get().to(works))
    }));
    // Of the first one the route is not known until it has answered.
    for (path, name) in [("/works/1", "GET"), ("/works/2", "GET /works/{id}")] {
        get(&server, path);
        let trace = Trace::to(path);
        let inside = [
            "annotated",
            "annotated later",
            "blocking",
            "closure",
            "first",
            "later",
        ];
        let mut names = inside.to_vec();
        names.extend([name, "queue", "run"]);
        names.sort_unstable();
        let request = trace.outermost();
        assert!(request.is_root());
        assert_eq!(trace.names(), names, "{trace:?}");
        let (queue, run) = trace.wait_and_run(request);
        for name in inside {
            assert!(trace.is_inside(trace.only(name), run), "{name}: {trace:?}");
        }
        assert_eq!(trace.only("first").parent(), run.id());
        let later = trace.only("later");
        assert_eq!(later.events(), 1);
        assert!(trace.is_inside(trace.only("annotated later"), later));

        for span in [request, queue, run] {
            assert_eq!(span.data().span_kind, SpanKind::Internal, "{span:?}");
            assert_eq!(span.get("target"), "offload", "{span:?}");
        }
        assert_eq!(request.get("http.request.method"), "GET");
        assert_eq!(request.get("http.route"), "/works/{id}");
        assert_eq!(request.get("http.response.status_code"), "200");
        assert_eq!(queue.get("outcome"), "begun");
        assert_eq!(run.get("outcome"), "answered");
        assert_eq!(run.get("route"), "GET /works/{id}");
        assert_eq!(run.get("http.response.status_code"), "200");
        assert!(
            run.get("thread").starts_with("offload-"),
            "{:?}",
            run.get("thread")
        );
        assert_eq!(run.get("thread"), run.get("thread.name"));
        assert!(queue.data().start_time >= request.data().start_time);
    }
}

#[test]
fn a_streamed_body_is_inside_of_run() {
    let offload = lanes().build().expect("starts");
    let server = TestServer::start(offload.app(|| {
        let chunks = || async {
            let chunks = stream::unfold(0, |made| async move {
                if made == 3 {
                    return None;
                }
                yield_now().await;
                info_span!("chunk", made).in_scope(|| {});
                Some((Ok::<_, Infallible>(Bytes::from_static(b"chunk ")), made + 1))
            });
            HttpResponse::Ok().streaming(chunks)
        };
        App::new().route("/streams", web::get().to(chunks))
    }));
    assert_eq!(get(&server, "/streams"), b"chunk chunk chunk ");
    let trace = Trace::to("/streams");
    let (_, run) = trace.wait_and_run(trace.outermost());
    let chunks: Vec<_> = trace
        .spans()
        .iter()
        .filter(|span| span.name() == "chunk")
        .collect();
    assert_eq!(chunks.len(), 3, "{trace:?}");
    for chunk in chunks {
        assert_eq!(chunk.parent(), run.id(), "{trace:?}");
        assert!(chunk.data().end_time <= run.data().end_time, "{trace:?}");
    }
    assert_eq!(run.get("outcome"), "answered");
}

#[test]
fn the_spans_of_two_requests_never_mix() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 12;
    let offload = lanes().build().expect("starts");
    let server = TestServer::builder().workers(2).start(offload.app(|| {
        let mixed = |id: web::Path<String>| async move {
            for _ in 0..4 {
                let step = info_span!("step", id = id.as_str());
                async {
                    yield_now().await;
                    info_span!("deeper", id = id.as_str()).in_scope(|| {});
                    yield_now().await;
                }
                .instrument(step)
                .await;
            }
            "done"
        };
        App::new().route("/mixed/{id}", web::get().to(mixed))
    }));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                for request in 0..REQUESTS {
                    get(server, &format!("/mixed/{client}-{request}"));
                }
            });
        }
    });
    for client in 0..CLIENTS {
        for request in 0..REQUESTS {
            let id = format!("{client}-{request}");
            let trace = Trace::to(&format!("/mixed/{id}"));
            let (_, run) = trace.wait_and_run(trace.outermost());
            assert_eq!(trace.spans().len(), 3 + 8, "{trace:?}");
            for span in trace.spans() {
                if ["step", "deeper"].contains(&span.name()) {
                    assert_eq!(span.get("id"), id, "{trace:?}");
                    assert!(trace.is_inside(span, run), "{trace:?}");
                }
            }
        }
    }
}

#[test]
fn a_request_that_stays_on_its_event_loop_has_none_of_them() {
    telemetry::install();
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .pin("GET", "/stays", Placement::Loop)
        .request_span(|_| info_span!("made for nothing"))
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| {
        let light = || async {
            info_span!("alone").in_scope(|| {});
            "light"
        };
        App::new().route("/stays", web::get().to(light))
    }));
    assert_eq!(get(&server, "/stays"), b"light");
    drop(server);
    let spans = closed();
    let alone = spans.iter().find(|span| span.name() == "alone");
    let alone = alone.expect("the handler ran");
    assert!(alone.is_root());
    assert_eq!(Trace::of(alone.trace_id()).names(), ["alone"]);
    assert!(!spans.iter().any(|span| span.name() == "made for nothing"));
}
