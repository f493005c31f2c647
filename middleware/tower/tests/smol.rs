//! The same layer without tokio's reactor: an axum app served by smol, whose handlers await smol's timers wherever they run.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use offload_core::placement::Rules;
use offload_tests::{client::Client, work::burn};
use smol::{Async, Executor, Timer, channel};
use tower_offload::{Lanes, Mode, Offload, Placement, offload};

const HEAVY: Duration = Duration::from_millis(15);

/// A streamed body of 5 MB, in pieces that each cost something.
const PIECES: usize = 80;
const PIECE: usize = 64 << 10;

/// Says where it has run, as the others do.
async fn light() -> String {
    place()
}

async fn heavy() -> String {
    burn(HEAVY);
    let before = place();
    // Smol's own thread wakes it.
    Timer::after(Duration::from_millis(1)).await;
    burn(HEAVY);
    format!("{before} {}", place())
}

async fn length(body: Bytes) -> String {
    body.len().to_string()
}

async fn streamed() -> Body {
    let pieces = stream::iter(0..PIECES).then(|number| async move {
        Timer::after(Duration::from_micros(100)).await;
        burn(Duration::from_micros(500));
        let byte = u8::try_from(number).expect("few");
        Ok::<_, io::Error>(Bytes::from(vec![byte; PIECE]))
    });
    Body::from_stream(pieces)
}

#[offload(crate = ::tower_offload)]
fn doubled(number: u64) -> (u64, String) {
    burn(HEAVY);
    (2 * number, place())
}

async fn attribute() -> String {
    let (number, place) = doubled(21).await;
    format!("{number} {place}")
}

async fn panicking() -> String {
    panic!("as it was asked to")
}

fn place() -> String {
    let name = thread::current().name().unwrap_or_default().to_owned();
    let kind = name.split('-').next();
    kind.unwrap_or_default().to_owned()
}

fn app(offload: &Offload) -> Router {
    Router::new()
        .route("/light", get(light))
        .route("/heavy", get(heavy))
        .route("/length", post(length))
        .route("/streamed", get(streamed))
        .route("/attribute", get(attribute))
        .route("/panic", get(panicking))
        .layer(DefaultBodyLimit::disable())
        .layer(offload.layer())
}

/// Two threads of smol that serve the app until it is dropped.
struct Served {
    client: Client,
    offload: Offload,
    stop: channel::Sender<()>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Served {
    fn in_mode(mode: Mode) -> Self {
        let rules = Rules {
            budget: Duration::from_millis(4),
            slow_factor: 2.try_into().expect("not zero"),
            ..Rules::default()
        };
        // Patient, however slow the machine is.
        let patient = Duration::from_secs(60);
        let lanes = Lanes::builder().threads(2).patience(patient..=patient);
        let builder = Offload::builder()
            .rules(|all| *all = rules)
            .lanes(|_| lanes);
        let offload = builder.mode(mode).build().expect("settings");
        let executor = Arc::new(Executor::new());
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a free port");
        let addr: SocketAddr = listener.get_ref().local_addr().expect("its address");
        let serving = smol_axum::serve(Arc::clone(&executor), listener, app(&offload));
        executor.spawn(serving).detach();
        let (stop, stopped) = channel::bounded::<()>(1);
        let worker = |_| {
            let (executor, stopped) = (Arc::clone(&executor), stopped.clone());
            let work = move || {
                // An error is the end of the channel, which is what it waits for.
                let _ended = smol::block_on(executor.run(stopped.recv()));
            };
            let builder = thread::Builder::new().name("worker".to_owned());
            builder.spawn(work).expect("a thread")
        };
        Self {
            client: Client::new(addr),
            threads: (0..2).map(worker).collect(),
            offload,
            stop,
        }
    }

    fn get(&self, target: &str) -> (u16, Vec<u8>) {
        let response = self.client.get(target).expect("an answer");
        (response.status(), response.body)
    }

    fn text(&self, target: &str) -> String {
        let (status, body) = self.get(target);
        assert_eq!(status, 200, "{target}");
        String::from_utf8(body).expect("a text")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.close();
        for thread in self.threads.drain(..) {
            thread.join().expect("no panic");
        }
    }
}

fn answers_all(served: &Served) {
    assert_eq!(served.text("/heavy"), "offload offload");
    assert_eq!(served.text("/attribute"), "42 offload");
    let all = vec![7; PIECES * PIECE];
    let sent = served.client.ask("POST", "/length", &[], &all);
    let length = sent.expect("an answer").body;
    assert_eq!(length, all.len().to_string().as_bytes());
    let (status, body) = served.get("/streamed");
    assert_eq!((status, body.len()), (200, all.len()));
    let in_order = |(at, byte): (usize, &u8)| usize::from(*byte) == at / PIECE;
    assert!(body.iter().enumerate().all(in_order));
    assert_eq!(served.get("/panic").0, 500);
    assert_eq!(served.get("/none").0, 404);
}

#[test]
fn everything_is_answered_on_lanes() {
    let served = Served::in_mode(Mode::Lane);
    for _ in 0..2 {
        answers_all(&served);
        assert_eq!(served.text("/light"), "offload");
    }
}

#[test]
fn light_requests_stay_on_their_worker_once_they_are_known() {
    let served = Served::in_mode(Mode::Auto);
    let began = Instant::now();
    while served.text("/light") != "worker" {
        assert!(began.elapsed() < Duration::from_secs(60), "never learned");
    }
    // More than there are workers.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| answers_all(&served));
        }
        assert_eq!(served.text("/light"), "worker");
    });
    let routes = served.offload.report().routes;
    let heavy = routes.iter().find(|route| route.pattern == "/heavy");
    assert_eq!(heavy.expect("known").placement, Placement::Lane);
}

#[test]
fn without_the_layer_at_work_all_is_answered_where_it_comes() {
    let served = Served::in_mode(Mode::Off);
    assert_eq!(served.text("/light"), "worker");
    assert_eq!(served.text("/heavy"), "worker worker");
    // But for the bodies of `#[offload]`.
    assert_eq!(served.text("/attribute"), "42 offload");
}

#[test]
fn the_attribute_needs_no_runtime() {
    let (number, place) = pollster::block_on(doubled(4));
    assert_eq!((number, place.as_str()), (8, "offload"));
}

#[test]
fn without_features_no_tokio_comes_in() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "-p", "tower-offload", "-e", "normal"])
        .args(["--no-default-features", "--prefix", "none"])
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let (tree, errors) = (
        String::from_utf8_lossy(&tree.stdout).into_owned(),
        String::from_utf8_lossy(&tree.stderr).into_owned(),
    );
    assert!(tree.starts_with("tower-offload "), "{errors}");
    let is_tokio = |line: &&str| line.starts_with("tokio");
    assert_eq!(tree.lines().find(is_tokio), None, "{tree}");
}
