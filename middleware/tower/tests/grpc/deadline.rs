//! `grpc-timeout`: what could not be done in time is refused before it has cost anything.

use std::time::Duration;

use tonic::{Code, Request};
use tower_offload::{Mode, Placement};

use crate::{
    client::Client,
    server::{Held, Served, is_at_rest, single, with},
    service::HEAVY,
    wait::{HANG, wait_until},
};

/// Much longer than an answer takes to come, so that no client gives up before it.
const DEADLINE: Duration = Duration::from_secs(5);

#[test]
fn a_call_that_could_not_be_made_in_time_is_refused_and_never_runs() {
    let offload = with(single()).build().expect("settings");
    let served = Served::under(&offload);
    let client = Client::new(served.addr);
    client.until_placed(&offload, "Sum", Placement::Lane);
    let begun = served.seen.count("Sum");
    let held = Held::all_of(offload.lanes());
    // Twice as much work as there is time.
    let count = usize::try_from(2 * DEADLINE.as_millis() / HEAVY.as_millis()).expect("few");
    let waiting: Vec<_> = (0..count).map(|_| client.begin("Sum")).collect();
    wait_until("they are queued", || offload.lanes().queued() == count);

    let ask = |deadline| {
        let mut request = Request::new(b"x".to_vec());
        request.set_timeout(deadline);
        client.begin_with("Sum", request)
    };
    let refused = client.wait(ask(DEADLINE)).expect("no panic");
    let refused = refused.expect_err("there is no time");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    // There is time for it, so it is taken.
    let patient = ask(2 * HANG);
    wait_until("it is queued", || offload.lanes().queued() == count + 1);

    for call in waiting {
        call.abort();
    }
    wait_until("those that have left are not queued", || {
        offload.lanes().queued() == 1
    });
    drop(held);
    client.wait(patient).expect("no panic").expect("an answer");
    wait_until("the lanes are at rest", || is_at_rest(offload.lanes()));
    assert_eq!(served.seen.count("Sum"), begun + 1);
}

#[test]
fn one_that_cannot_be_read_is_none() {
    let offload = with(single()).mode(Mode::Lane).build();
    let served = Served::under(&offload.expect("settings"));
    let client = Client::new(served.addr);
    for garbage in ["soon", "1", "S", "-1S", "123456789S"] {
        let mut request = Request::new(b"x".to_vec());
        let value = garbage.parse().expect("plain");
        request.metadata_mut().insert("grpc-timeout", value);
        let answered = client.wait(client.begin_with("Sum", request));
        answered.expect("no panic").expect("an answer");
    }
}
