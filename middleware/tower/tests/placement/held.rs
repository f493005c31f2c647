//! What began on a worker when its route was light, and is heavy later: many at once freeze no worker.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    routing::{get, post},
};
use futures_util::{StreamExt, future::join_all, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use offload_tests::connection::Connection;
use tokio::sync::watch;

use crate::site::{Sides, Site, WORKERS, http2, in_runtime, wait_until};

const MANY: usize = 40;

/// The first half of a body and the second one: if that is heavy, the handler is.
const HALF: &str = "light";
const HEAVY: &str = "heavy";

/// An app whose handler begins, waits for the end of its request's body, and then may compute.
#[derive(Clone, Default)]
struct World {
    begun: Arc<AtomicUsize>,
    computed: Sides,
}

impl World {
    fn site(&self) -> Site {
        let world = self.clone();
        let held = post(async move |request: Request| {
            world.begun.fetch_add(1, SeqCst);
            let body = to_bytes(request.into_body(), 100).await.expect("a body");
            if body.ends_with(HEAVY.as_bytes()) {
                world.computed.compute();
            }
            body
        });
        Site::new(Router::new().route("/", held))
    }

    fn wait_for(&self, begun: usize) {
        wait_until("all have begun", || self.begun.load(SeqCst) == begun);
    }

    /// Each worker may have begun one before any had shown what they cost, and one more is for a machine on which that is in doubt.
    fn check(&self) {
        assert_eq!(self.computed.all(), MANY);
        let on_workers = self.computed.on_workers();
        assert!(on_workers <= WORKERS + 1, "{on_workers} on workers");
    }
}

#[test]
fn held_bodies_that_end_at_once_freeze_no_worker() {
    let world = World::default();
    let site = world.site();
    let open = || {
        let mut connection = Connection::open(site.addr).expect("connects");
        let head = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n";
        connection
            .send(format!("{head}{HALF}").as_bytes())
            .expect("sends");
        connection
    };
    let finish = |connection: &mut Connection, half: &str| {
        connection.send(half.as_bytes()).expect("sends");
    };
    site.learn("/", || {
        let mut connection = open();
        finish(&mut connection, HALF);
        connection.read_response().expect("an answer");
    });
    let before = world.begun.load(SeqCst);
    let mut held: Vec<_> = (0..MANY).map(|_| open()).collect();
    world.wait_for(before + MANY);
    for connection in &mut held {
        finish(connection, HEAVY);
    }
    for mut connection in held {
        let answer = connection.read_response().expect("an answer");
        assert_eq!(answer.body, format!("{HALF}{HEAVY}").as_bytes());
    }
    world.check();
}

#[test]
fn held_streams_of_one_connection_that_end_at_once_freeze_no_worker() {
    let world = World::default();
    let site = world.site();
    in_runtime(async {
        let client = http2();
        let ask = |mut go: watch::Receiver<&'static str>| {
            let rest = stream::once(async move {
                let half = go.wait_for(|half| !half.is_empty()).await;
                *half.expect("it is said")
            });
            let halves = stream::iter([HALF]).chain(rest);
            let frames = halves.map(|half| Ok::<_, io::Error>(Frame::data(Bytes::from(half))));
            let request = Request::post(format!("http://{}/", site.addr))
                .header("content-length", 10)
                .body(Body::new(StreamBody::new(frames)));
            client.request(request.expect("a request"))
        };
        let light = watch::channel(HALF).1;
        for _ in 0..500 {
            ask(light.clone()).await.expect("an answer");
            if site.report("/").placement == tower_offload::Placement::Loop {
                break;
            }
        }
        let before = world.begun.load(SeqCst);
        let (say, go) = watch::channel("");
        let asked: Vec<_> = (0..MANY).map(|_| tokio::spawn(ask(go.clone()))).collect();
        while world.begun.load(SeqCst) < before + MANY {
            tokio::task::yield_now().await;
        }
        say.send_replace(HEAVY);
        for answer in join_all(asked).await {
            let body = answer.expect("no panic").expect("an answer").into_body();
            let body = body.collect().await.expect("a body").to_bytes();
            assert_eq!(body, format!("{HALF}{HEAVY}"));
        }
    });
    world.check();
}

#[test]
fn what_awaits_once_and_then_computes_follows_its_route() {
    let world = World::default();
    let (say, go) = watch::channel("");
    let shared = world.clone();
    let later = get(async move |request: Request| {
        let mut go = go.clone();
        if request.uri().query().is_some() {
            shared.begun.fetch_add(1, SeqCst);
            go.wait_for(|said| !said.is_empty())
                .await
                .expect("it is said");
            shared.computed.compute();
        }
        "done"
    });
    let site = Site::new(Router::new().route("/", later));
    site.learn_get("/");
    let held: Vec<_> = (0..MANY).map(|_| site.ask("/?wait")).collect();
    world.wait_for(MANY);
    say.send_replace("go");
    for mut connection in held {
        assert_eq!(connection.read_response().expect("an answer").body, b"done");
    }
    world.check();
    let seen = site.report("/");
    assert_eq!((seen.cancelled, seen.refused), (0, 0));
}
