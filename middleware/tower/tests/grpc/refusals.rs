//! What the layer answers itself is a status of gRPC, and what the service answers stays what it is.

use tonic::{Code, Status};
use tower_offload::{Mode, Offload, Placement};

use crate::{
    client::{Client, any, messages},
    server::{Held, Served, single, with},
    wait::wait_until,
};

fn is_a_refusal(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    let pushback = pushback.expect("says when to come back").to_str();
    let millis: u64 = pushback.expect("plain").parse().expect("a number");
    assert!((1_000..=3_600_000).contains(&millis), "{millis}");
}

#[test]
fn what_finds_no_room_is_refused_at_once_while_light_calls_are_answered() {
    let offload = with(single().queue_bound(2)).build().expect("settings");
    let served = Served::under(&offload);
    let client = Client::new(served.addr);
    client.until_placed(&offload, "Sum", Placement::Lane);
    client.until_placed(&offload, "Echo", Placement::Loop);
    let begun = served.seen.count("Sum");
    let held = Held::all_of(offload.lanes());
    let taken = [client.begin("Sum"), client.begin("Sum")];
    wait_until("both are queued", || offload.lanes().queued() == 2);
    for _ in 0..5 {
        is_a_refusal(&client.one("Sum", b"x").expect_err("no room"));
        assert_eq!(
            client.one("Echo", b"hi").expect("light").into_inner(),
            b"hi"
        );
    }
    drop(held);
    for call in taken {
        let answered = client.wait(call).expect("no panic");
        answered.expect("what was taken is answered");
    }
    assert_eq!(served.seen.count("Sum"), begun + 2);
}

fn in_modes(test: impl Fn(Mode, &Offload, &Client)) {
    for mode in [Mode::Lane, Mode::Auto, Mode::Loop] {
        let offload = with(single()).mode(mode).build().expect("settings");
        let served = Served::under(&offload);
        test(mode, &offload, &Client::new(served.addr));
    }
}

#[test]
fn a_panic_is_internal_and_the_connection_lives_on() {
    in_modes(|mode, offload, client| {
        for _ in 0..3 {
            let panicked = client.one("Panic", b"x").expect_err("it panics");
            assert_eq!(panicked.code(), Code::Internal, "{mode}: {panicked:?}");
            client.one("Echo", b"x").expect("the connection lives");
        }
        let routes = offload.report().routes;
        let panics = |pattern| routes.iter().find(|route| route.pattern == pattern);
        assert!(
            panics("/test.Work/Panic").is_some_and(|route| route.panics > 0),
            "{mode}"
        );
    });
}

#[test]
fn a_panic_in_a_stream_is_internal_after_what_was_made() {
    in_modes(|mode, _, client| {
        for method in ["Count", "Grind"] {
            let asked = any(
                client.channel.clone(),
                method,
                messages(vec![b"\x01!!".to_vec()]),
            );
            let panicked = client.wait(async {
                let mut answers = asked.await?.into_inner();
                while answers.message().await?.is_some() {}
                Ok::<_, Status>(())
            });
            let status = panicked.expect_err("it panics");
            assert_eq!(status.code(), Code::Internal, "{mode} {method}: {status:?}");
            client.one("Echo", b"x").expect("the connection lives");
        }
    });
}
