//! The stall watch in a real server: silent while all is light, and right about what stalls.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_offload::{Mode, Offload, Placement, Stall, StallKind, StallWatch, StallWatchBuilder};
use actix_web::{App, rt, web};
use offload_tests::{client::Client, connection::Connection, server::TestServer};

use crate::gate::{Gate, wait_until};

fn get(server: &TestServer, path: &str) {
    let answer = Client::new(server.addr()).get(path).expect("answers");
    assert_eq!(answer.status(), 200, "{path}");
}

type Told = Arc<Mutex<Vec<Stall>>>;

/// A watch that makes all reports, and what it reports.
fn told() -> (StallWatchBuilder, Told) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    let watch = StallWatch::builder()
        .reports_per_minute(u32::MAX)
        .on_stall(move |stall| {
            let mut told = tell.lock().unwrap_or_else(PoisonError::into_inner);
            told.push(stall.clone());
        });
    (watch, told)
}

fn all(told: &Told) -> Vec<Stall> {
    told.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Keeps all requests on their event loop, under `watch`.
fn all_on_loops(watch: StallWatchBuilder) -> Offload {
    Offload::builder()
        .mode(Mode::Loop)
        .lanes(|lanes| lanes.threads(1))
        .stall_watch(watch)
        .build()
        .expect("starts")
}

/// The bar that Seastar sets for its own detector: nothing but light requests, as many as the machine can do, for a minute, while
/// others want the cores as well.
#[test]
fn a_minute_of_light_requests_at_full_load_is_no_stall() {
    const MINUTE: Duration = Duration::from_secs(60);
    const CLIENTS: usize = 4;
    const BATCH: usize = 16;
    let (watch, told) = told();
    // This is no test of refusals, should the route be taken for a heavy one on a machine that is so busy.
    let offload = Offload::builder().lanes(|lanes| lanes.patience(2 * MINUTE..=2 * MINUTE));
    let offload = offload.lanes(|lanes| lanes.threads(2)).stall_watch(watch);
    let offload = offload.build().expect("starts");
    let app = || App::new().route("/", web::get().to(|| async { "light" }));
    let server = TestServer::builder().workers(2).start(offload.app(app));
    wait_until("it is known as light", || {
        get(&server, "/");
        let report = offload.report();
        report.event_loops.iter().any(|it| it.requests > 0)
    });

    let answered = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while start.elapsed() < MINUTE {
                    std::hint::spin_loop();
                }
            });
        }
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = Connection::open(server.addr()).expect("connects");
                let batch = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n".repeat(BATCH);
                while start.elapsed() < MINUTE {
                    connection.send(&batch).expect("sends");
                    for _ in 0..BATCH {
                        let answer = connection.read_response().expect("answers");
                        let at = start.elapsed();
                        assert_eq!(answer.status(), 200, "{at:?}: {:?}", offload.report());
                    }
                    answered.fetch_add(BATCH as u64, Ordering::Relaxed);
                }
            });
        }
    });

    let answered = answered.load(Ordering::Relaxed);
    let report = offload.report();
    let on_loops: u64 = report.event_loops.iter().map(|it| it.requests).sum();
    assert!(on_loops > answered / 2, "{on_loops} of {answered} on loops");
    assert!(report.event_loops.iter().all(|it| it.stalls == 0));
    assert!(all(&told).is_empty(), "{:?}", all(&told));
    assert!(report.stalls.is_empty(), "{:?}", report.stalls);
}

const SLOW: &str = "GET /slow/{n}";

/// What was reported of the slow route: a busy machine may stall a server that starts.
fn of_slow(told: &Told) -> Vec<Stall> {
    let mut all = all(told);
    all.retain(|stall| stall.route == SLOW);
    all
}

#[test]
fn a_stalled_loop_is_named_with_its_route_while_it_is_stalled() {
    let (watch, told) = told();
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .stall_watch(watch)
        .pin("GET", "/slow/{n}", Placement::Loop)
        .build()
        .expect("starts");
    let slow = {
        let told = Arc::clone(&told);
        move |n: web::Path<usize>| {
            let told = Arc::clone(&told);
            async move {
                // It computes until it is reported.
                let start = Instant::now();
                while of_slow(&told).iter().filter(|stall| !stall.over).count() <= *n {
                    assert!(start.elapsed() < Duration::from_secs(60));
                }
                "slow"
            }
        }
    };
    let app = move || App::new().route("/slow/{n}", web::get().to(slow.clone()));
    let server = TestServer::start(offload.app(app));
    get(&server, "/slow/0");
    let first = &of_slow(&told)[0];
    assert_eq!(first.kind, StallKind::Computing);
    assert_eq!(first.event_loop, Some(0));
    wait_until("its end", || {
        let report = offload.report();
        let mut stalls = report.stalls.iter();
        let end = stalls.any(|stall| stall.over && stall.route == SLOW);
        end && report.event_loops[0].stalled_seconds.is_none()
    });
    let report = offload.report();
    let mut stalls = report.stalls.iter();
    let stalled = stalls
        .find(|stall| stall.route == SLOW)
        .expect("it is kept");
    assert!(stalled.elapsed_seconds >= first.elapsed.as_secs_f64());
    assert!(report.event_loops[0].stalls >= 1);
    assert_eq!(report.event_loops[0].longest_poll_route, "GET /slow/{n}");
}

#[test]
fn a_background_task_that_stalls_its_loop_has_no_route() {
    let (watch, told) = told();
    let offload = all_on_loops(watch);
    let start = {
        let told = Arc::clone(&told);
        move || {
            let told = Arc::clone(&told);
            async move {
                rt::spawn(async move {
                    // It computes until it is reported.
                    let start = Instant::now();
                    while all(&told).is_empty() && start.elapsed() < Duration::from_secs(60) {}
                });
                "later"
            }
        }
    };
    let app = move || App::new().route("/start", web::get().to(start.clone()));
    let server = TestServer::start(offload.app(app));
    get(&server, "/start");
    wait_until("the report", || {
        let reports = all(&told);
        reports.iter().any(|stall| stall.route == "no route")
    });
    assert!(all(&told).iter().all(|stall| stall.kind.is_of_loop()));
}

/// A computation that a handler on a lane has spawned keeps the lane thread and what waits there, and is told.
#[test]
fn a_task_that_keeps_its_lane_thread_is_told() {
    told_of_task(Duration::ZERO);
}

/// So is one that begins as soon as a job has ended that took a while.
#[test]
fn a_task_that_keeps_its_lane_thread_after_a_long_job_is_told() {
    told_of_task(Duration::from_millis(2));
}

/// Keeps the calling thread for so long.
fn compute(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

fn told_of_task(before: Duration) {
    let (watch, told) = told();
    let offload = Offload::builder()
        .mode(Mode::Lane)
        .lanes(|lanes| lanes.threads(2))
        .stall_watch(watch.lane_jobs(Duration::from_millis(50)))
        .build()
        .expect("starts");
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stops = Arc::clone(&over);
    let app = move || {
        let stops = Arc::clone(&stops);
        App::new().route(
            "/spawn",
            web::get().to(move || {
                let stops = Arc::clone(&stops);
                async move {
                    compute(before);
                    tokio::spawn(async move {
                        while !stops.load(Ordering::Relaxed) {
                            std::hint::spin_loop();
                        }
                    });
                    "spawned"
                }
            }),
        )
    };
    let app = move || app().route("/", web::get().to(|| async { "light" }));
    let server = TestServer::start(offload.app(app));
    get(&server, "/");
    get(&server, "/spawn");
    let of_tasks = || {
        let mut all = all(&told);
        all.retain(|stall| stall.kind == StallKind::LaneTasks);
        all
    };
    wait_until("it is reported", || !of_tasks().is_empty());
    over.store(true, Ordering::Relaxed);
    let stall = &of_tasks()[0];
    assert_eq!(stall.event_loop, None);
    assert!(stall.thread.contains("offload-short"), "{stall}");
}

#[test]
fn a_full_blocking_pool_is_no_stalled_loop() {
    let (watch, told) = told();
    let offload = all_on_loops(watch.blocking_pool(Some(Duration::from_millis(50))));
    let gate = Gate::default();
    let block = {
        let gate = gate.clone();
        move || {
            let gate = gate.clone();
            async move {
                let waited = web::block(move || gate.wait()).await;
                waited.map(|()| "through")
            }
        }
    };
    let app = move || {
        App::new()
            .route("/block", web::get().to(block.clone()))
            .route("/", web::get().to(|| async { "light" }))
    };
    let server = TestServer::builder().start_with(offload.app(app), |server| {
        server.worker_max_blocking_threads(1)
    });
    thread::scope(|scope| {
        scope.spawn(|| get(&server, "/block"));
        wait_until("the report", || {
            let reports = all(&told);
            reports.iter().any(|it| it.kind == StallKind::BlockingPool)
        });
        // The loop goes on all the while.
        get(&server, "/");
        gate.open();
    });
    let of_loop = |stall: &Stall| stall.kind.is_of_loop();
    assert!(!all(&told).iter().any(of_loop), "{:?}", all(&told));
    wait_until("its end", || {
        offload.stalls().iter().all(|stall| stall.over)
    });
}

#[test]
fn without_a_watch_nothing_is_asked() {
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .stall_watch(None);
    let offload = offload.build().expect("starts");
    let app = || App::new().route("/", web::get().to(|| async { "light" }));
    let server = TestServer::start(offload.app(app));
    get(&server, "/");
    // As long as it takes until one with a watch has been asked.
    let asked = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .build()
        .expect("starts");
    let beside = TestServer::start(asked.app(app));
    get(&beside, "/");
    wait_until("the first answer of the one beside", || {
        asked.report().event_loops[0].longest_lag_seconds > 0.0
    });
    let report = offload.report();
    assert_eq!(report.stall_threshold_ms, None);
    assert_eq!(report.event_loops[0].longest_lag_seconds, 0.0);
}
