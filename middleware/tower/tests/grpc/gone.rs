//! A client that leaves takes its work with it, wherever that is.

use std::time::Duration;

use tonic::Request;
use tower_offload::{Mode, Offload};

use crate::{
    client::Client,
    server::{Held, Served, is_at_rest, single, with},
    wait::wait_until,
};

fn in_modes(test: impl Fn(&Offload, &Served, &Client)) {
    for mode in [Mode::Lane, Mode::Auto] {
        let offload = with(single()).mode(mode).build().expect("settings");
        let served = Served::under(&offload);
        test(&offload, &served, &Client::new(served.addr));
        wait_until("the lanes are at rest", || is_at_rest(offload.lanes()));
    }
}

#[test]
fn what_is_queued_never_begins() {
    in_modes(|offload, served, client| {
        let held = Held::all_of(offload.lanes());
        let call = client.begin("Sum");
        wait_until("it is queued", || offload.lanes().queued() == 1);
        call.abort();
        wait_until("it is not any more", || offload.lanes().queued() == 0);
        drop(held);
        client.one("Echo", b"x").expect("an answer");
        assert_eq!(served.seen.count("Sum"), 0);
        assert_eq!(offload.lanes().stats().cancelled, 1);
    });
}

#[test]
fn what_computes_is_told() {
    in_modes(|_, served, client| {
        let call = client.begin("Until");
        wait_until("it has begun", || served.seen.count("Until") == 1);
        assert_eq!(served.seen.count("Until cancelled"), 0);
        call.abort();
        wait_until("it is told", || served.seen.count("Until cancelled") == 1);
    });
}

#[test]
fn what_computes_is_told_that_its_deadline_has_passed() {
    in_modes(|_, served, client| {
        // On a slow machine it may pass before the call has begun.
        wait_until("it is told", || {
            let mut request = Request::new(b"x".to_vec());
            request.set_timeout(Duration::from_millis(300));
            let late = client.wait(client.begin_with("Until", request));
            late.expect("no panic").expect_err("it takes for ever");
            served.seen.count("Until cancelled") > 0
        });
    });
}

#[test]
fn what_awaits_is_dropped() {
    in_modes(|offload, served, client| {
        let call = client.begin("Await");
        wait_until("it awaits", || served.seen.count("Await") == 1);
        assert_eq!(served.seen.count("Await dropped"), 0);
        call.abort();
        wait_until("it is dropped", || served.seen.count("Await dropped") == 1);
        wait_until("it is counted", || offload.lanes().stats().cancelled == 1);
    });
}
