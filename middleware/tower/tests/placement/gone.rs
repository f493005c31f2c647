//! A client that leaves takes its work with it, wherever that is, and what it has shown stays known.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::Request,
    routing::get,
};
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tower_offload::{Lanes, Placement, is_cancelled};

use crate::site::{Gate, Sides, Site, builder, http2, in_runtime, lanes, side, wait_until};

/// What became of a handler.
#[derive(Clone, Default)]
struct Seen {
    begun: Arc<AtomicUsize>,
    cancelled: Arc<AtomicBool>,
    went_on: Arc<AtomicBool>,
    dropped: Arc<AtomicUsize>,
    /// Its destructors found tokio's runtime, as they do without the layer.
    with_runtime: Arc<AtomicUsize>,
}

/// Notes its end.
struct Witness(Seen);

impl Seen {
    fn begin(&self) -> Witness {
        self.begun.fetch_add(1, SeqCst);
        Witness(self.clone())
    }

    fn wait_for_end(&self) {
        wait_until("it was dropped", || self.dropped.load(SeqCst) == 1);
        assert_eq!(self.with_runtime.load(SeqCst), 1);
        assert!(!self.went_on.load(SeqCst));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let found = usize::from(Handle::try_current().is_ok());
        self.0.with_runtime.fetch_add(found, SeqCst);
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

fn begun(seen: &Seen) {
    wait_until("it has begun", || seen.begun.load(SeqCst) == 1);
}

fn cancelled(site: &Site, count: u64) {
    let all = || site.offload.report().routes.into_iter();
    wait_until("it was counted", || {
        all().map(|route| route.cancelled).sum::<u64>() == count
    });
}

#[test]
fn what_is_queued_never_runs() {
    let seen = Seen::default();
    let shared = seen.clone();
    let app = Router::new().route("/", get(async move || drop(shared.begin())));
    let one = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    let site = Site::with(builder(one), app);
    let gate = Gate::default();
    let held = gate.clone();
    let job = site.offload.lanes().run(move || held.wait());
    wait_until("it is held", || site.offload.lanes().running() == 1);
    let clients: Vec<_> = (0..5).map(|_| site.ask("/")).collect();
    wait_until("they wait", || site.offload.lanes().queued() == 5);
    drop(clients);
    wait_until("they are gone", || site.offload.lanes().queued() == 0);
    cancelled(&site, 5);
    gate.open();
    pollster::block_on(job).expect("ran");
    // Whatever was before it in the queue has run by then.
    pollster::block_on(site.offload.lanes().run(|| ())).expect("ran");
    assert_eq!(seen.begun.load(SeqCst), 0);
    assert_eq!(site.report("/").lane_runs, 0);
}

#[test]
fn what_computes_is_told_and_stops_at_its_next_await() {
    let seen = Seen::default();
    let shared = seen.clone();
    let app = Router::new().route(
        "/",
        get(async move || {
            let _witness = shared.begin();
            wait_until("somebody leaves", is_cancelled);
            shared.cancelled.store(true, SeqCst);
            tokio::task::yield_now().await;
            shared.went_on.store(true, SeqCst);
        }),
    );
    let site = Site::new(app);
    let client = site.ask("/");
    begun(&seen);
    drop(client);
    seen.wait_for_end();
    assert!(seen.cancelled.load(SeqCst));
    cancelled(&site, 1);
}

#[test]
fn what_waits_ends_on_both_sides_and_is_counted_once() {
    for placement in [Placement::Loop, Placement::Lane] {
        let seen = Seen::default();
        let shared = seen.clone();
        let waits = async move || {
            let _witness = shared.begin();
            std::future::pending::<()>().await;
            shared.went_on.store(true, SeqCst);
        };
        let pinned = builder(lanes()).pin("GET", "/", placement);
        let site = Site::with(pinned, Router::new().route("/", get(waits)));
        let client = site.ask("/");
        begun(&seen);
        drop(client);
        seen.wait_for_end();
        cancelled(&site, 1);
        assert_eq!(site.report("/").refused, 0, "{placement:?}");
    }
}

#[test]
fn the_maker_of_a_stream_is_dropped() {
    for placement in [Placement::Loop, Placement::Lane] {
        let seen = Seen::default();
        let shared = seen.clone();
        let streams = async move || {
            let witness = shared.begin();
            let pieces = stream::once(async { Ok::<_, std::io::Error>(Bytes::from("piece")) });
            let rest = stream::once(async move {
                std::future::pending::<()>().await;
                drop(witness);
                Ok(Bytes::new())
            });
            Body::from_stream(pieces.chain(rest))
        };
        let pinned = builder(lanes()).pin("GET", "/", placement);
        let site = Site::with(pinned, Router::new().route("/", get(streams)));
        let mut client = site.ask("/");
        assert!(client.wait_for(b"piece").expect("it comes"));
        drop(client);
        seen.wait_for_end();
        cancelled(&site, 1);
    }
}

#[test]
fn heavy_work_whose_client_has_left_counts() {
    let (computed, seen) = (Sides::default(), Seen::default());
    let (counts, shared) = (computed.clone(), seen.clone());
    let leaves = async move |request: Request<Body>| {
        if request.uri().query().is_some() {
            let _witness = shared.begin();
            counts.compute();
            std::future::pending::<()>().await;
        }
        side()
    };
    let site = Site::new(Router::new().route("/", get(leaves)));
    site.learn_get("/");
    let client = site.ask("/?leave");
    wait_until("it has computed", || computed.all() == 1);
    // It computes on a worker, which is held up for as long.
    wait_until("that is known", || {
        site.report("/").placement == Placement::Lane
    });
    drop(client);
    seen.wait_for_end();
    cancelled(&site, 1);
    assert_eq!(computed.on_workers(), 1);
    assert_eq!(site.text("/"), "lane");

    let again = Site::new({
        let (counts, shared) = (computed.clone(), seen.clone());
        let leaves = async move || {
            let _witness = shared.begin();
            counts.compute();
            std::future::pending::<()>().await;
        };
        Router::new().route("/", get(leaves))
    });
    let client = again.ask("/");
    wait_until("it has computed", || computed.all() == 2);
    wait_until("it waits", || again.offload.lanes().running() == 0);
    drop(client);
    wait_until("it was dropped", || seen.dropped.load(SeqCst) == 2);
    wait_until("it has counted", || again.report("/").lane_runs == 1);
    cancelled(&again, 1);
}

#[test]
fn a_stream_of_one_connection_that_is_reset_takes_its_work_with_it() {
    let seen = Seen::default();
    let shared = seen.clone();
    let app = Router::new().route("/", get(async move || drop(shared.begin())));
    let one = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    let site = Site::with(builder(one), app);
    let gate = Gate::default();
    let held = gate.clone();
    let job = site.offload.lanes().run(move || held.wait());
    wait_until("it is held", || site.offload.lanes().running() == 1);
    let client = thread::spawn({
        let (addr, lanes) = (site.addr, site.offload.lanes().clone());
        move || {
            in_runtime(async move {
                let client = http2();
                let ask =
                    || tokio::spawn(client.get(format!("http://{addr}/").parse().expect("a URI")));
                let asked: Vec<_> = (0..5).map(|_| ask()).collect();
                while lanes.queued() < 5 {
                    tokio::task::yield_now().await;
                }
                asked[..4].iter().for_each(|asked| asked.abort());
                // The connection lives on, and so does what was not reset.
                asked.into_iter().last().expect("five").await
            })
        }
    });
    cancelled(&site, 4);
    wait_until("one waits", || site.offload.lanes().queued() == 1);
    gate.open();
    pollster::block_on(job).expect("ran");
    let answer = client.join().expect("no panic").expect("no panic");
    assert_eq!(answer.expect("an answer").status(), 200);
    assert_eq!(seen.begun.load(SeqCst), 1);
    cancelled(&site, 4);
}
