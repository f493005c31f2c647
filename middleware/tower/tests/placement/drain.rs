//! The end of a server: what is under way on the lanes is answered or refused, and nothing is left without an answer.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use futures_util::{StreamExt, stream};
use offload_tests::connection::DEADLINE;
use tower_offload::{Drained, Lanes, Mode, Offload, OffloadBuilder};

use crate::site::{Gate, Sides, Site, builder, in_runtime, wait_until};

/// A tenth of it is left to refuse what is still under way, also on a busy machine.
const SHORT: Duration = Duration::from_secs(5);

/// One thread for each kind of request, which nobody comes to help.
fn single() -> OffloadBuilder {
    let one = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    builder(one.patience(DEADLINE..=DEADLINE)).mode(Mode::Lane)
}

fn site(gate: &Gate) -> Site {
    let hold = gate.clone();
    let app = Router::new()
        .route("/gate", get(async move || hold.wait()))
        .route("/job", get(async || "done"));
    Site::with(single(), app)
}

fn drain(offload: &Offload, grace: Duration) -> Drained {
    in_runtime(offload.shutdown(grace))
}

fn waits(site: &Site, count: usize) {
    wait_until("they wait", || site.offload.lanes().queued() == count);
}

#[test]
fn what_runs_and_what_waits_is_finished() {
    let gate = Gate::default();
    let site = site(&gate);
    let mut held = site.ask("/gate");
    wait_until("it runs", || site.offload.lanes().running() == 1);
    let mut job = site.ask("/job");
    waits(&site, 1);
    let drained = in_runtime(async {
        let mut drained = pin!(site.offload.shutdown(DEADLINE));
        let first = drained
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(first, Poll::Pending, "two are under way");
        gate.open();
        drained.await
    });
    assert_eq!((drained.ended, drained.refused, drained.left), (2, 0, 0));
    for connection in [&mut held, &mut job] {
        let response = connection.read_response().expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("connection"), None, "it is not refused");
    }
}

#[test]
fn what_still_waits_at_the_end_of_the_grace_is_refused() {
    let gate = Gate::default();
    let site = site(&gate);
    let held = site.ask("/gate");
    wait_until("it runs", || site.offload.lanes().running() == 1);
    let mut job = site.ask("/job");
    waits(&site, 1);
    let drained = drain(&site.offload, SHORT);
    assert_eq!(drained.left, 0, "{drained}");
    assert_eq!(drained.refused, 2, "{drained}");
    let refused = job.read_response().expect("an answer");
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(refused.header("retry-after").is_some());
    gate.open();
    drop(held);
}

#[test]
fn a_handler_that_waits_is_refused_and_dropped() {
    let begun = Sides::default();
    let note = begun.clone();
    let pending = async move || {
        note.note();
        std::future::pending::<()>().await
    };
    let site = Site::with(single(), Router::new().route("/pending", get(pending)));
    let mut pending = site.ask("/pending");
    wait_until("it has begun", || begun.all() == 1);
    let drained = drain(&site.offload, SHORT);
    assert_eq!((drained.refused, drained.left), (1, 0), "{drained}");
    assert_eq!(pending.read_response().expect("an answer").status(), 503);
}

#[test]
fn who_comes_when_no_time_is_left_is_told_to_go_elsewhere() {
    let gate = Gate::default();
    let site = site(&gate);
    let held = site.ask("/gate");
    wait_until("it runs", || site.offload.lanes().running() == 1);
    let drained = drain(&site.offload, SHORT);
    assert_eq!(drained.refused, 1, "{drained}");
    let late = site.get("/job");
    assert_eq!(late.status(), 503);
    assert_eq!(late.header("connection"), Some("close"));
    gate.open();
    drop(held);
}

#[test]
fn a_body_is_under_way_until_its_end() {
    let endless = async || {
        let first = Ok::<_, std::convert::Infallible>(Bytes::from_static(b"first"));
        Body::from_stream(stream::once(async { first }).chain(stream::pending()))
    };
    let site = Site::with(single(), Router::new().route("/endless", get(endless)));
    let connection = site.ask("/endless");
    wait_until("it was answered", || {
        let mut routes = site.offload.report().routes.into_iter();
        routes.any(|route| route.lane_runs == 1)
    });
    let drained = drain(&site.offload, Duration::from_millis(50));
    assert_eq!((drained.refused, drained.left), (0, 1), "{drained}");
    drop(connection);
    let drained = drain(&site.offload, DEADLINE);
    assert_eq!(drained.left, 0, "{drained}");
}

#[test]
fn with_nothing_under_way_it_ends_at_once() {
    let gate = Gate::default();
    let site = site(&gate);
    assert_eq!(site.text("/job"), "done");
    let drained = drain(&site.offload, Duration::MAX);
    assert_eq!((drained.refused, drained.left), (0, 0));
}
