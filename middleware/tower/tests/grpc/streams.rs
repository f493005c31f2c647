//! A heavy server stream is made on lanes: in order, and no faster than its client reads.

use offload_core::placement::Rules;
use tonic::Streaming;
use tower_offload::{Offload, Placement};

use crate::{
    client::{Client, any, messages},
    codec::Message,
    server::{Served, is_at_rest, rules, single, with},
    service::PIECE,
    wait::wait_until,
};

/// More than all the buffers between a service and its client hold.
const TENS: u8 = 20;

fn grind(client: &Client) -> Streaming<Message> {
    let asked = any(client.channel.clone(), "Grind", messages(vec![vec![TENS]]));
    client.wait(asked).expect("an answer").into_inner()
}

async fn read_all(mut answers: Streaming<Message>) {
    for number in 0..10 * u32::from(TENS) {
        let message = answers.message().await.expect("no error");
        let message = message.expect("one more");
        assert_eq!(message[..4], number.to_be_bytes());
        assert_eq!(message.len(), PIECE);
    }
    assert_eq!(answers.message().await.expect("no error"), None);
}

fn served(unknown: Placement) -> (Offload, Served, Client) {
    let rules = Rules { unknown, ..rules() };
    let offload = with(single())
        .rules(|all| *all = rules)
        .build()
        .expect("settings");
    let served = Served::under(&offload);
    let client = Client::new(served.addr);
    (offload, served, client)
}

fn is_of_a_lane(thread: &str) -> bool {
    thread.starts_with("offload-")
}

#[test]
fn it_is_made_on_lanes_no_faster_than_it_is_read() {
    let (offload, served, client) = served(Placement::Lane);
    let answers = grind(&client);
    wait_until("it waits for its client", || {
        !served.seen.made().is_empty() && is_at_rest(offload.lanes())
    });
    let all = 10 * usize::from(TENS);
    assert!(served.seen.made().len() < all, "all of it was made unread");
    client.wait(read_all(answers));
    let made = served.seen.made();
    assert_eq!(made.len(), all);
    assert!(made.iter().all(|thread| is_of_a_lane(thread)), "{made:?}");
}

#[test]
fn one_that_begins_on_a_worker_goes_on_on_a_lane() {
    let (_offload, served, client) = served(Placement::Loop);
    client.wait(read_all(grind(&client)));
    let made = served.seen.made();
    assert!(!is_of_a_lane(&made[0]), "{made:?}");
    let moved = made
        .iter()
        .position(|thread| is_of_a_lane(thread))
        .expect("it moves");
    assert!(
        made[moved..].iter().all(|thread| is_of_a_lane(thread)),
        "{made:?}"
    );
}

#[test]
fn one_that_nobody_reads_any_more_ends() {
    let (offload, served, client) = served(Placement::Lane);
    client.wait(read_all(grind(&client)));
    let made = served.seen.made().len();
    let mut answers = grind(&client);
    let first = client.wait(answers.message()).expect("no error");
    assert!(first.is_some());
    drop(answers);
    wait_until("its making ends", || is_at_rest(offload.lanes()));
    assert!(served.seen.made().len() < 2 * made);
    wait_until("that is counted", || {
        let routes = offload.report().routes;
        routes.iter().any(|route| route.cancelled == 1)
    });
}
