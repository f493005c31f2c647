//! An answer from a lane leaves in such writes that no packet waits until the client acknowledges the one before.
//!
//! actix leaves Nagle's algorithm on. A short packet then waits for the acknowledgment of the short packet before it, and
//! a client that has just sent a body itself delays that by 40 ms at least. Alone actix writes an answer at once.

use std::{
    convert::Infallible,
    iter,
    time::{Duration, Instant},
};

use actix_offload::{Mode, Offload};
use actix_web::{App, HttpResponse, web};
use futures_util::stream;
use offload_tests::{connection::Connection, server::TestServer, work::burn};

/// A client acknowledges at once for as long as it takes a connection for a fresh one: these answers don't count.
const FRESH: usize = 20;
const ANSWERS: usize = 40;
/// A busy machine gets so many tries.
const ROUNDS: usize = 8;

/// Below the least that Linux delays an acknowledgment by. Not a limit for how long an answer may take, but the
/// mark between those that may have waited for one and those that have not.
const LATE: Duration = Duration::from_millis(35);

/// What a chunk costs to make.
const CHUNK: Duration = Duration::from_millis(1);

fn routes(cfg: &mut web::ServiceConfig) {
    let echo = |body: web::Bytes| async move {
        burn(CHUNK);
        body
    };
    let streamed = |at: web::Path<(usize, usize)>, _: web::Bytes| async move {
        let (chunks, length) = at.into_inner();
        let chunk = web::Bytes::from(vec![b'x'; length]);
        let chunks = iter::repeat_n(chunk, chunks).map(|chunk| {
            burn(CHUNK);
            Ok::<_, Infallible>(chunk)
        });
        HttpResponse::Ok().streaming(stream::iter(chunks))
    };
    cfg.app_data(web::PayloadConfig::new(1 << 20))
        .route("/echo", web::post().to(echo))
        .route("/streamed/{chunks}/{length}", web::post().to(streamed));
}

/// How many answers to requests with bodies of this length ended late after they had begun.
fn late(server: &TestServer, path: &str, length: usize) -> usize {
    let mut connection = Connection::open(server.addr()).expect("connects");
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
    request.extend(iter::repeat_n('x', length));
    let times = (0..FRESH + ANSWERS).map(|_| {
        connection.send(request.as_bytes()).expect("sends");
        assert!(connection.wait_for(b"\r\n\r\n").expect("answers"));
        // What the lane takes, which other tests may keep from running, is over.
        let began = Instant::now();
        let answer = connection.read_response().expect("answers");
        assert_eq!(answer.status(), 200, "{path}");
        began.elapsed()
    });
    times.skip(FRESH).filter(|time| *time > LATE).count()
}

#[test]
fn no_answer_waits_for_an_acknowledgment() {
    let patience = Duration::from_secs(300);
    let builder = Offload::builder().mode(Mode::Lane);
    let builder = builder.lanes(|lanes| lanes.patience(patience..=patience));
    let offload = builder.build().expect("starts");
    let app = offload.app(|| App::new().configure(routes));
    // As actix has it by default. The other tests do without the algorithm.
    let server = TestServer::builder().start_with(app, |server| server.tcp_nodelay(false));
    for (path, length) in [
        ("/echo", 70_000),
        ("/echo", 150_000),
        ("/echo", 300_000),
        ("/echo", 1_000_000),
        ("/streamed/3/100", 70_000),
        ("/streamed/10/1000", 70_000),
    ] {
        // A busy machine makes some late. With one short write too many it is most of them, every time.
        let mut rounds = (0..ROUNDS).map(|_| late(&server, path, length));
        let quick = rounds.any(|late| late < ANSWERS / 4);
        assert!(quick, "{path} with {length} bytes: many are late");
    }
}
