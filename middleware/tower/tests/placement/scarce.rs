//! When the lanes take nothing: what is new and heavy is refused, what is light is not, and what has begun is done.

use std::{
    future::poll_fn,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
};

use axum::{Router, body::Body, http::Request, routing::get};
use offload_core::Terms;
use tokio::{
    net::UdpSocket,
    sync::{Notify, watch},
};
use tower::{Layer, ServiceExt};
use tower_offload::{Lanes, LanesBuilder, Placement};

use crate::{
    direct::{Answer, Empty, empty, service},
    site::{Gate, Sides, Site, builder, in_runtime, side, wait_until},
};

/// So many heavy requests have begun on workers, and compute so often each.
const BEGUN: usize = 6;
const TURNS: usize = 4;

/// Awaits once, and is woken at once, as by a message that is there already.
async fn awaits() {
    let mut woken = false;
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        match mem::replace(&mut woken, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

fn scarce() -> LanesBuilder {
    let one = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    one.queue_bound(1)
}

/// Keeps the lanes from taking anything until it is dropped.
struct Full {
    gate: Gate,
    _jobs: Vec<offload_core::Run<()>>,
}

impl Full {
    fn of(lanes: &Lanes) -> Self {
        let gate = Gate::default();
        let mut jobs = Vec::new();
        let begun = Arc::new(AtomicUsize::new(0));
        let mut begin = || {
            let (held, begun) = (gate.clone(), Arc::clone(&begun));
            jobs.push(lanes.run(move || {
                begun.fetch_add(1, SeqCst);
                held.wait();
            }));
        };
        begin();
        wait_until("a job has begun", || begun.load(SeqCst) == 1);
        while lanes.would_take(&Terms::new()) {
            begin();
        }
        Self { gate, _jobs: jobs }
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        self.gate.open();
    }
}

#[test]
fn what_is_new_and_heavy_is_refused_and_what_is_light_is_not() {
    let app = Router::new().route("/", get(async || side()));
    let site = Site::with(builder(scarce()), app.route("/heavy", get(async || side())));
    site.learn_get("/");
    let full = Full::of(site.offload.lanes());
    for _ in 0..3 {
        let refused = site.get("/heavy");
        assert_eq!(refused.status(), 503);
        let seconds = refused.header("retry-after").expect("has one").to_owned();
        assert!(seconds.parse::<u64>().expect("a number") >= 1);
        assert_eq!(refused.header("content-type"), Some("application/json"));
        let body: serde_json::Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert_eq!(body["error"], "overloaded");
        assert_eq!(body["retry_after_seconds"].to_string(), seconds);
        assert_eq!(site.text("/"), "worker");
    }
    let seen = site.report("/heavy");
    assert_eq!((seen.refused, seen.cancelled), (3, 0));
    assert_eq!((seen.loop_runs, seen.lane_runs), (0, 0));
    assert_eq!(site.report("/").refused, 0);
    drop(full);
    wait_until("there is room again", || site.get("/heavy").status() == 200);
}

#[test]
fn what_has_begun_on_a_worker_takes_turns_there_and_is_not_lost() {
    let (say, go) = watch::channel("");
    let begun = Arc::new(AtomicUsize::new(0));
    let computed = Sides::default();
    let (shared, counts) = (Arc::clone(&begun), computed.clone());
    let turns = get(async move |request: Request<Body>| {
        if request.uri().query().is_some() {
            let mut go = go.clone();
            shared.fetch_add(1, SeqCst);
            go.wait_for(|said| !said.is_empty())
                .await
                .expect("it is said");
            for _ in 0..TURNS {
                counts.compute();
                awaits().await;
            }
        }
        "done"
    });
    let app = Router::new()
        .route("/turns", turns)
        .route("/", get(async || side()));
    let site = Site::with(builder(scarce()), app);
    site.learn_get("/turns");
    site.learn_get("/");
    let asked: Vec<_> = (0..BEGUN).map(|_| site.ask("/turns?wait")).collect();
    wait_until("all have begun", || begun.load(SeqCst) == BEGUN);
    let full = Full::of(site.offload.lanes());
    say.send_replace("go");
    let answers = thread::spawn(move || {
        let read = |mut connection: offload_tests::connection::Connection| {
            connection.read_response().expect("an answer").body
        };
        asked.into_iter().map(read).collect::<Vec<_>>()
    });
    let mut light = 0;
    while !answers.is_finished() {
        assert_eq!(site.text("/"), "worker");
        light += 1;
    }
    let answers = answers.join().expect("no panic");
    assert_eq!(answers, vec![b"done"; BEGUN]);
    assert_eq!(computed.all(), BEGUN * TURNS);
    assert_eq!(computed.on_workers(), BEGUN * TURNS);
    assert!(light >= 5, "only {light} light requests meanwhile");
    let seen = site.report("/turns");
    assert_eq!((seen.refused, seen.cancelled), (0, 0));
    drop(full);
}

/// A task that merely wakes itself is polled 61 times by tokio before that looks at a socket.
#[test]
fn between_two_turns_its_worker_looks_at_its_sockets() {
    in_runtime(async {
        let offload = builder(scarce()).build().expect("lanes");
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let addr = socket.local_addr().expect("a port");
        let (turns, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (shared, gone) = (Arc::clone(&turns), Arc::clone(&go));
        let handler = service(async move |request: Request<Empty>| -> Answer {
            if request.uri().query().is_some() {
                gone.notified().await;
                let sends = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
                for turn in 0..40 {
                    shared.store(turn, SeqCst);
                    if turn == 5 {
                        sends.send_to(b"!", addr).expect("sends");
                    }
                    offload_tests::work::burn(crate::site::HEAVY);
                    awaits().await;
                }
            }
            Ok(axum::http::Response::new(Body::empty()))
        });
        let layered = offload.layer_by(|_| Some("/")).layer(handler);
        while is_unknown(&offload) {
            layered
                .clone()
                .oneshot(empty("/"))
                .await
                .expect("an answer");
        }
        let asked = tokio::spawn(layered.oneshot(empty("/?go")));
        // It has begun when it waits, and then everything else comes.
        tokio::task::yield_now().await;
        let full = Full::of(offload.lanes());
        go.notify_one();
        socket.recv(&mut [0]).await.expect("it comes");
        let seen_at = turns.load(SeqCst);
        assert!((5..15).contains(&seen_at), "at turn {seen_at}");
        asked.await.expect("no panic").expect("an answer");
        drop(full);
    });
}

fn is_unknown(offload: &tower_offload::Offload) -> bool {
    let routes = offload.report().routes;
    routes
        .iter()
        .all(|route| route.placement == Placement::Lane)
}
