//! What tower expects of a service, and what is left when services, layers and the handle are dropped in any order.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{Request, Response},
};
use futures_util::future::join_all;
use tower::{Layer, Service, ServiceExt};
use tower_offload::{Lanes, Offload, Placement};

use crate::{
    direct::{Answer, Empty, Strict, empty, service, text},
    site::{Gate, builder, lanes, report, wait_until},
};

fn pinned() -> Offload {
    builder(lanes())
        .pin("GET", "/worker", Placement::Loop)
        .pin("GET", "/lane", Placement::Lane)
        .build()
        .expect("lanes")
}

fn path<'a>(head: tower_offload::Head<'a>) -> Option<&'a str> {
    Some(head.uri.path())
}

const BOTH: [&str; 2] = ["/worker", "/lane"];

#[tokio::test]
async fn the_one_that_was_ready_is_called() {
    let offload = pinned();
    let mut layered = offload.layer_by(path).layer(Strict::default());
    for _ in 0..3 {
        for route in BOTH {
            let answer = layered.ready().await.expect("ready").call(empty(route));
            assert_eq!(text(answer.await.expect("an answer")).await, "strict");
            let mut clone = layered.clone();
            let answer = clone.ready().await.expect("ready").call(empty(route));
            assert_eq!(text(answer.await.expect("an answer")).await, "strict");
        }
    }
    assert!(BOTH.iter().all(|route| report(&offload, route).panics == 0));
}

/// Never ready, but one time.
#[derive(Clone, Default)]
struct Full(Arc<AtomicUsize>);

impl Service<Request<Empty>> for Full {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = std::future::Ready<Answer<&'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        match self.0.fetch_add(1, SeqCst) {
            0 => Poll::Pending,
            1 => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err("closed")),
        }
    }

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        std::future::ready(Err("failed"))
    }
}

#[tokio::test]
async fn readiness_and_errors_are_the_inner_service_s() {
    for route in BOTH {
        let offload = pinned();
        let mut layered = offload.layer_by(path).layer(Full::default());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(layered.poll_ready(&mut cx).is_pending());
        assert_eq!(layered.poll_ready(&mut cx), Poll::Ready(Ok(())));
        let failed = layered.call(empty(route)).await.expect_err("an error");
        assert_eq!(failed, "failed");
        assert_eq!(layered.poll_ready(&mut cx), Poll::Ready(Err("closed")));
        let seen = report(&offload, route);
        assert_eq!(seen.loop_runs + seen.lane_runs, 1);
    }
}

/// Its threads' names are the only ones that begin so.
fn named(name: &str) -> Offload {
    let lanes = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    builder(lanes.name(name)).build().expect("lanes")
}

fn threads_named(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("tasks");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with(name)).count()
}

#[tokio::test]
async fn what_runs_ends_though_everything_else_is_gone() {
    let offload = named("alone");
    let gate = Gate::default();
    let begun = Arc::new(AtomicUsize::new(0));
    let (held, shared) = (gate.clone(), Arc::clone(&begun));
    let waits = service(async move |_: Request<Empty>| -> Answer {
        shared.fetch_add(1, SeqCst);
        held.wait();
        tokio::task::yield_now().await;
        Ok(Response::new(Body::from("done")))
    });
    let layer = offload.layer_by(path);
    let layered = layer.layer(waits);
    // One runs and one waits for its turn.
    let asked: Vec<_> = (0..2)
        .map(|_| tokio::spawn(layered.clone().oneshot(empty("/"))))
        .collect();
    while begun.load(SeqCst) == 0 || offload.lanes().queued() == 0 {
        tokio::task::yield_now().await;
    }
    drop((layered, layer, offload));
    assert!(threads_named("alone") > 0);
    gate.open();
    for answer in join_all(asked).await {
        let answer = answer.expect("no panic").expect("an answer");
        assert_eq!(text(answer).await, "done");
    }
    wait_until("its threads have ended", || threads_named("alone") == 0);
}

#[test]
fn fifty_of_them_leave_no_thread() {
    for _ in 0..50 {
        let offload = named("fifty");
        let quick =
            service(async |_: Request<Empty>| -> Answer { Ok(Response::new(Body::from("quick"))) });
        let layered = offload.layer_by(path).layer(quick);
        for _ in 0..5 {
            let answer = pollster::block_on(layered.clone().oneshot(empty("/")));
            assert_eq!(
                pollster::block_on(text(answer.expect("an answer"))),
                "quick"
            );
        }
    }
    wait_until("their threads have ended", || threads_named("fifty") == 0);
    // Those of a few other tests may be there.
    wait_until("their watches have ended", || {
        threads_named("offload-stalls") < 20
    });
}

#[tokio::test]
async fn of_two_layers_the_inner_one_stays_out_of_the_way() {
    let (outer, inner) = (pinned(), pinned());
    let answers = service(async |_: Request<Empty>| -> Answer {
        tokio::task::yield_now().await;
        Ok(Response::new(Body::from("answer")))
    });
    let both = outer
        .layer_by(path)
        .layer(inner.layer_by(path).layer(answers));
    for route in BOTH {
        for _ in 0..3 {
            let answer = both.clone().oneshot(empty(route)).await.expect("an answer");
            let body = http_body_util::BodyExt::collect(answer.into_body()).await;
            assert_eq!(body.expect("a body").to_bytes(), "answer");
        }
        let runs = |offload| {
            let seen = report(offload, route);
            seen.loop_runs + seen.lane_runs
        };
        assert_eq!((runs(&outer), runs(&inner)), (3, 0));
    }
}

/// The only thread of a lane would wait for itself.
#[test]
fn a_job_of_a_lane_may_ask_a_service_of_its_layer() {
    let offload = named("job");
    let answers = service(async |_: Request<Empty>| -> Answer {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Ok(Response::new(Body::from("answer")))
    });
    let layered = offload.layer_by(path).layer(answers);
    let ask = move || {
        pollster::block_on(async {
            let answer = layered.oneshot(empty("/")).await.expect("an answer");
            text(answer).await
        })
    };
    // Not for ever if it does.
    let asked = std::thread::spawn({
        let lanes = offload.lanes().clone();
        move || pollster::block_on(lanes.run(ask))
    });
    wait_until("the job has ended", || asked.is_finished());
    assert_eq!(asked.join().expect("no panic").expect("ran"), "answer");
}

#[tokio::test]
async fn what_clients_make_up_is_one_route() {
    let offload = builder(lanes()).build().expect("lanes");
    let quick = service(async |_: Request<Empty>| -> Answer {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = axum::http::StatusCode::NOT_FOUND;
        Ok(answer)
    });
    let layered = offload.layer_by(|_| None).layer(quick);
    for number in 0..300 {
        let mut made_up = empty(&format!("/{number}"));
        if number % 2 == 0 {
            *made_up.method_mut() = format!("M{number}").parse().expect("a method");
        }
        layered.clone().oneshot(made_up).await.expect("an answer");
    }
    let routes = offload.report().routes;
    let mut names: Vec<_> = routes
        .iter()
        .map(|route| (&*route.method, &*route.pattern, route.placement))
        .collect();
    names.sort_by_key(|(method, ..)| *method);
    let unmatched = |method| (method, "(unmatched)", Placement::Loop);
    assert_eq!(names, [unmatched("(extension)"), unmatched("GET")]);
}
