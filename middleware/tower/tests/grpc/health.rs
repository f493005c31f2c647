//! Light calls are answered while more heavy ones compute than there are workers.

use std::sync::atomic::Ordering;

use futures_util::TryStreamExt;
use tower_offload::Placement;

use crate::{
    client::{Client, any, messages},
    server::{Served, place_of, single, with},
    wait::wait_until,
};

#[test]
fn light_calls_of_each_kind_are_answered_while_all_lanes_compute() {
    let offload = with(single().threads(2).long_threads(2)).build();
    let offload = offload.expect("settings");
    let served = Served::under(&offload);
    let client = Client::new(served.addr);
    // So many messages there, and so many back.
    let light = [
        ("Echo", 1, 1),
        ("Count", 1, 10),
        ("Join", 2, 1),
        ("Talk", 2, 2),
    ];
    let ask = |(method, there, back)| {
        let sent = messages(vec![b"\x01".to_vec(); there]);
        client.wait(async {
            let answered = any(client.channel.clone(), method, sent).await;
            let answers = answered.expect("an answer").into_inner();
            let answers: Vec<_> = answers.try_collect().await.expect("no error");
            assert_eq!(answers.len(), back, "{method}");
        });
    };
    wait_until("they are known to be light", || {
        light.into_iter().all(|call| {
            ask(call);
            place_of(&offload, call.0) == Some(Placement::Loop)
        })
    });

    // They compute until they are let go, so whoever had to wait for one would wait for ever.
    let heavy: Vec<_> = (0..8).map(|_| client.begin("Hold")).collect();
    wait_until("the lanes compute", || served.seen.count("Hold") >= 2);
    for _ in 0..10 {
        light.into_iter().for_each(ask);
    }
    assert!(heavy.iter().all(|call| !call.is_finished()));
    served.seen.go.store(true, Ordering::Relaxed);
    for call in heavy {
        client.wait(call).expect("no panic").expect("an answer");
    }
}
