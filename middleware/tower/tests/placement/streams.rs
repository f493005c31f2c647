//! Bodies that compute: what began on a worker is made on a lane after its first heavy chunk, and nothing faster than it is taken.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, header},
    routing::get,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use offload_tests::work::burn;
use tower::{Layer, ServiceExt};
use tower_offload::{Lanes, Placement};

use crate::{
    direct::{Answer, Empty, empty, service, text},
    site::{HEAVY, Sides, Site, builder, in_runtime, lanes, side, wait_until},
};

#[test]
fn a_stream_that_turns_heavy_goes_on_on_a_lane_in_order_and_complete() {
    let made = Sides::default();
    let shared = made.clone();
    let numbers = get(async move |request: Request<Body>| {
        let heavy = request.uri().query().is_some();
        let pieces = stream::iter(0..12).then(move |piece| {
            let made = shared.clone();
            async move {
                if heavy && piece > 0 {
                    made.compute();
                }
                Ok::<_, io::Error>(format!("{piece},"))
            }
        });
        Body::from_stream(pieces)
    });
    let site = Site::new(Router::new().route("/", numbers));
    site.learn_get("/");
    let all: String = (0..12).map(|piece| format!("{piece},")).collect();
    assert_eq!(site.text("/?heavy"), all);
    assert_eq!(made.all(), 11);
    // One more is for a machine on which it is in doubt what the first one cost.
    let on_workers = made.on_workers();
    assert!((1..=2).contains(&on_workers), "{on_workers} on workers");
    assert_eq!(site.text("/?heavy"), all);
    assert_eq!(made.on_workers(), on_workers);
}

#[tokio::test]
async fn nothing_is_made_that_nobody_takes() {
    const PIECE: usize = 16 << 10;
    let offload = builder(lanes()).build().expect("lanes");
    let made = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&made);
    let endless = service(async move |_: Request<Empty>| {
        let made = Arc::clone(&shared);
        let pieces = stream::repeat_with(move || {
            made.fetch_add(1, SeqCst);
            Ok::<_, io::Error>(Bytes::from_static(&[0; PIECE]))
        });
        Answer::<std::convert::Infallible>::Ok(axum::http::Response::new(Body::from_stream(pieces)))
    });
    let layered = offload.layer_by(|_| Some("/")).layer(endless);
    let response = layered.oneshot(empty("/")).await.expect("an answer");
    let mut body = response.into_body();
    body.frame().await.expect("a frame").expect("a frame");
    // What goes on for ever rests only because nobody takes anything. On its way there it lets others run after each batch.
    let mut seen = 0;
    loop {
        for _ in 0..50 {
            offload.lanes().run(|| ()).await.expect("room");
        }
        let now = made.load(SeqCst);
        assert!(now * PIECE <= 256 << 10, "{now} pieces");
        if now == seen {
            break;
        }
        seen = now;
    }
    for _ in 0..100 {
        body.frame().await.expect("a frame").expect("a frame");
    }
    drop(body);
    wait_until("it has ended", || offload.lanes().running() == 0);
}

/// hyper asks nothing more of a body that has given as much as its head said.
#[test]
fn a_client_that_took_all_that_was_announced_has_not_left() {
    const PIECE: usize = 8 << 10;
    let sized = get(async |request: Request<Body>| {
        let pieces = if request.uri().query().is_some() {
            40
        } else {
            2
        };
        let pieces = stream::iter(0..pieces).then(async |_| {
            tokio::task::yield_now().await;
            Ok::<_, io::Error>(Bytes::from_static(&[0; PIECE]))
        });
        let length = request.uri().query().map_or(2, |_| 40) * PIECE;
        (
            [(header::CONTENT_LENGTH, length)],
            Body::from_stream(pieces),
        )
    });
    let site = Site::new(
        Router::new()
            .route("/", sized.clone())
            .route("/lane", sized),
    );
    site.learn_get("/");
    for _ in 0..20 {
        assert_eq!(site.get("/").body.len(), 2 * PIECE);
        assert_eq!(site.get("/lane?long").body.len(), 40 * PIECE);
    }
    for pattern in ["/", "/lane"] {
        assert_eq!(site.report(pattern).cancelled, 0, "{pattern}");
    }
}

/// A client that takes an endless stream as fast as it is made does not have the only lane thread for itself.
#[test]
fn a_stream_that_is_never_waited_for_lets_others_run() {
    let made = Sides::default();
    let shared = made.clone();
    let endless = get(async move || {
        let pieces = stream::repeat_with(move || {
            shared.compute();
            Ok::<_, io::Error>(Bytes::from_static(&[0; 64]))
        });
        Body::from_stream(pieces)
    });
    let heavy = get(async || {
        burn(HEAVY);
        side()
    });
    let one = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    // So that there is no other lane for one of them.
    let one = one.short_limit(Duration::from_secs(1));
    let app = Router::new().route("/endless", endless);
    let site = Site::with(builder(one), app.route("/", heavy));
    assert_eq!(site.text("/"), "lane");
    let mut reader = site.ask("/endless");
    assert!(reader.wait_for(b"\r\n\r\n").expect("it comes"));
    let over = Arc::new(AtomicBool::new(false));
    let reads = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(SeqCst) {
                reader.read_up_to(64).expect("it goes on");
            }
        }
    });
    let before = made.all();
    for _ in 0..3 {
        assert_eq!(site.text("/"), "lane");
    }
    // By turns it is two or three pieces for each of the others.
    let meanwhile = made.all() - before;
    assert!(meanwhile <= 60, "{meanwhile} pieces");
    over.store(true, SeqCst);
    reads.join().expect("no panic");
    assert_eq!(site.report("/").refused, 0);
}

/// Each piece is light, but all that are there at once are not.
#[test]
fn many_light_pieces_let_others_have_their_worker() {
    let made = Sides::default();
    let shared = made.clone();
    in_runtime(async {
        let pinned = builder(lanes()).pin("GET", "/", Placement::Loop);
        let offload = pinned.build().expect("lanes");
        let streams = service(async move |_: Request<Empty>| {
            let pieces = stream::iter(0..200).map(move |_| {
                shared.note();
                burn(Duration::from_millis(1));
                Ok::<_, io::Error>("piece")
            });
            Answer::<std::convert::Infallible>::Ok(axum::http::Response::new(Body::from_stream(
                pieces,
            )))
        });
        let layered = offload.layer_by(|_| Some("/")).layer(streams);
        let answer = layered.oneshot(empty("/")).await.expect("an answer");
        let taken = tokio::spawn(text(answer));
        // The other one's turn comes after that of the stream.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let at_once = made.all();
        assert!((1..50).contains(&at_once), "{at_once} pieces at once");
        assert_eq!(taken.await.expect("no panic").len(), 200 * "piece".len());
    });
}
