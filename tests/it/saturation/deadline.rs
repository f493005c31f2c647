//! A client may say how long it is going to wait.

use actix_offload::{Offload, Placement};

use super::{Held, Saturated, all_are_answered, is_a_refusal, open, single};
use crate::gate::wait_until;

const HEADER: &str = "x-request-timeout-ms";

fn header(value: &str) -> String {
    format!("X-Request-Timeout-Ms: {value}\r\n")
}

/// An app with a deadline header, whose lanes are held and have twenty requests waiting.
fn busy() -> (Saturated, Held, Vec<offload_tests::connection::Connection>) {
    let builder = single()
        .deadline_header(HEADER)
        .pin("GET", "/health", Placement::Loop);
    let app = Saturated::warm(builder);
    app.lighten();
    let held = Held::all_of(&app.offload);
    let waiting = app.queue("/one", 20);
    (app, held, waiting)
}

fn wait_for_queued(offload: &Offload, count: usize) {
    wait_until(&format!("{count} requests are queued"), || {
        offload.lanes().queued() == count
    });
}

#[test]
fn deadlines_decide_who_is_let_in() {
    let (app, held, mut waiting) = busy();
    // Some 160 ms of work are in front.
    for impossible in ["0", "1", "20"] {
        let mut refused = open(app.addr(), "/one", &header(impossible));
        is_a_refusal(&refused.read_response().expect("answers"));
    }
    assert_eq!(app.offload.lanes().queued(), 20);
    waiting.push(open(app.addr(), "/one", &header("600000")));
    wait_for_queued(&app.offload, 21);
    // As long as it takes is the default.
    waiting.push(open(app.addr(), "/one", ""));
    wait_for_queued(&app.offload, 22);
    assert_eq!(app.begun.count(), 0);
    drop(held);
    all_are_answered(waiting);
    assert_eq!(app.begun.count(), 22);
}

#[test]
fn a_deadline_that_cannot_be_read_is_a_bad_request() {
    let (app, held, waiting) = busy();
    for garbage in ["soon", "-1", "1.5", "10ms", "", "99999999999999999999999"] {
        let mut refused = open(app.addr(), "/one", &header(garbage));
        let response = refused.read_response().expect("answers");
        assert_eq!(response.status(), 400, "{garbage:?}");
        let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        let error = body["error"].as_str().expect("a text");
        assert!(error.contains(HEADER), "{error}");
    }
    assert_eq!(app.offload.lanes().queued(), 20);
    drop(held);
    all_are_answered(waiting);
    assert_eq!(app.begun.count(), 20);
}

#[test]
fn light_routes_ignore_deadlines() {
    let (app, held, waiting) = busy();
    for value in ["0", "1", "600000", "soon", ""] {
        for (path, body) in [("/light", "light"), ("/health", "well")] {
            let mut light = open(app.addr(), path, &header(value));
            let response = light.read_response().expect("answers");
            assert_eq!(response.body, body.as_bytes(), "{value:?}");
        }
    }
    drop(held);
    all_are_answered(waiting);
}

#[test]
fn without_the_setting_the_header_means_nothing() {
    let app = Saturated::warm(single());
    let held = Held::all_of(&app.offload);
    let waiting: Vec<_> = ["0", "1", "soon"]
        .iter()
        .map(|value| open(app.addr(), "/one", &header(value)))
        .collect();
    wait_for_queued(&app.offload, 3);
    drop(held);
    all_are_answered(waiting);
}
