//! The event loops stay responsive: heavy work leaves them, waits hold no thread, rayon may nest.

use std::{
    sync::{
        Arc, Barrier, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_offload::{Mode, Offload, OffloadBuilder, Placement};
use actix_web::{App, HttpResponse, web};
use offload_tests::{
    connection::Connection, loop_watch::LoopWatch, server::TestServer, work::burn,
};
use rayon::prelude::*;

/// What the heavy handlers of these tests cost each time.
const HEAVY: Duration = Duration::from_millis(80);

/// A poll that is surely not a heavy handler's: far under [`HEAVY`], far over a light handler's.
const BRIEF: Duration = Duration::from_millis(20);

/// The plugin for what is no test of refusals: longer patience than any request needs here, however busy the machine is with
/// other things.
fn patient() -> OffloadBuilder {
    let patience = Duration::from_secs(300);
    Offload::builder().lanes(|lanes| lanes.patience(patience..=patience))
}

fn get(server: &TestServer, path: &str) -> Vec<u8> {
    ask(
        server,
        &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"),
    )
}

fn ask(server: &TestServer, request: &str) -> Vec<u8> {
    let mut connection = Connection::open(server.addr()).expect("connects");
    connection.send(request.as_bytes()).expect("sends");
    let response = connection.read_response().expect("answers");
    let status = String::from_utf8_lossy(&response.status_line).into_owned();
    assert!(status.contains(" 200 "), "{request:?}: {status}");
    response.body
}

/// Light and heavy routes, all of them naive.
fn mixed(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(|| async { "light" }))
        .route(
            "/burn",
            web::get().to(|| async {
                burn(HEAVY);
                "burnt"
            }),
        )
        .route(
            "/sleep-in-poll",
            web::get().to(|| async {
                thread::sleep(HEAVY);
                thread::current().name().unwrap_or_default().to_owned()
            }),
        )
        .route(
            "/echo",
            web::post().to(|body: web::Json<Vec<u64>>| async {
                burn(HEAVY);
                body
            }),
        )
        .service(web::scope("/area").route(
            "/{name}",
            web::get().to(|name: web::Path<String>| async move {
                burn(HEAVY);
                name.into_inner()
            }),
        ));
}

/// Asks every heavy route, the light one in between, from several connections at once. The one that sleeps does so on threads
/// whose names begin with `on`.
fn storm(server: &TestServer, on: &str) {
    thread::scope(|scope| {
        for client in 0..3 {
            scope.spawn(move || {
                for round in 0..2 {
                    assert_eq!(get(server, "/burn"), b"burnt");
                    assert_eq!(get(server, "/"), b"light");
                    let slept_on = get(server, "/sleep-in-poll");
                    let slept_on = String::from_utf8(slept_on).expect("a name");
                    assert!(slept_on.starts_with(on), "{slept_on}");
                    let name = format!("n{client}{round}");
                    assert_eq!(get(server, &format!("/area/{name}")), name.as_bytes());
                    let post = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
                                Content-Length: 7\r\n\r\n[1,2,3]";
                    assert_eq!(ask(server, post), b"[1,2,3]");
                    assert_eq!(get(server, "/"), b"light");
                }
            });
        }
    });
}

#[test]
fn no_event_loop_is_blocked_not_even_by_a_first_request() {
    let offload = patient()
        .lanes(|lanes| lanes.threads(2))
        .build()
        .expect("starts");
    let watch = LoopWatch::default();
    let app = offload.app(|| App::new().configure(mixed));
    let server = TestServer::builder().workers(2).start(watch.around(app));
    storm(&server, "offload-");

    assert!(watch.polls() > 0, "the watch saw nothing");
    let longest = watch.longest();
    assert!(longest < BRIEF, "a poll computed for {longest:?}");
    for event_loop in offload.report().event_loops {
        assert!(
            event_loop.longest_poll_seconds < BRIEF.as_secs_f64(),
            "{event_loop:?}",
        );
    }
}

#[test]
fn without_the_plugin_the_same_check_fails() {
    let watch = LoopWatch::default();
    let app = watch.around(|| App::new().configure(mixed));
    let server = TestServer::builder().workers(2).start(app);
    storm(&server, "actix-");
    assert!(
        watch.longest() >= HEAVY,
        "a poll took {:?}",
        watch.longest()
    );
}

#[test]
fn the_loops_own_record_names_the_route_that_blocked() {
    let offload = patient().mode(Mode::Loop).build().expect("starts");
    let server = TestServer::start(offload.app(|| App::new().configure(mixed)));
    get(&server, "/");
    // The first response of an app teaches its routes, in the background.
    while !offload
        .report()
        .routes
        .iter()
        .any(|r| r.pattern == "/area/{name}")
    {
        get(&server, "/area/x");
    }
    let record = offload.report().event_loops;
    assert!(
        record
            .iter()
            .any(|l| l.longest_poll_seconds >= HEAVY.as_secs_f64() / 2.0),
        "{record:?}",
    );
}

#[test]
fn a_run_of_which_it_is_not_clear_what_it_cost_is_counted() {
    let offload = patient()
        .pin("GET", "/sleep-in-poll", Placement::Loop)
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| App::new().configure(mixed)));
    // It waits where it should compute, which looks as if the kernel had set it aside.
    for asked in 1..=4 {
        get(&server, "/sleep-in-poll");
        let report = offload.report();
        let mut routes = report.routes.iter();
        let route = routes.find(|route| route.pattern == "/sleep-in-poll");
        assert_eq!(route.expect("it is pinned").loop_runs, asked);
    }
}

/// How long two `/timer`s at once take, in units of one.
fn two_timers_at_once(server: &TestServer) -> f64 {
    let start = Instant::now();
    get(server, "/timer");
    let one = start.elapsed();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| get(server, "/timer"));
        }
    });
    start.elapsed().as_secs_f64() / one.as_secs_f64()
}

fn timer(config: &mut web::ServiceConfig) {
    config.route(
        "/timer",
        web::get().to(|| async {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(300) {
                std::hint::spin_loop();
            }
            "Ding Ding Ding"
        }),
    );
}

#[test]
fn two_timers_end_together_on_one_event_loop() {
    let offload = patient()
        .lanes(|lanes| lanes.threads(2))
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| App::new().configure(timer)));
    let with = two_timers_at_once(&server);
    assert!(with < 1.7, "two took {with} times as long as one");
}

#[test]
fn without_the_plugin_two_timers_end_one_after_the_other() {
    let server = TestServer::start(|| App::new().configure(timer));
    let without = two_timers_at_once(&server);
    assert!(without > 1.7, "two took {without} times as long as one");
}

#[test]
fn sleeping_handlers_hold_no_lane_thread() {
    const HANDLERS: usize = 200;
    let offload = patient()
        .lanes(|lanes| lanes.threads(2))
        .mode(Mode::Lane)
        .build()
        .expect("starts");
    // All have to be in their handler at once before any may go on: with a thread each this would
    // never end.
    let all_here = web::Data::new(tokio::sync::Barrier::new(HANDLERS));
    let app = offload.app(move || {
        App::new().app_data(all_here.clone()).route(
            "/",
            web::get().to(|all_here: web::Data<tokio::sync::Barrier>| async move {
                all_here.wait().await;
                tokio::task::yield_now().await;
                HttpResponse::Ok().streaming(futures_util::stream::unfold(0, |n| async move {
                    tokio::task::yield_now().await;
                    (n < 3).then(|| {
                        (
                            Ok::<_, actix_web::Error>(web::Bytes::from(format!("{n}"))),
                            n + 1,
                        )
                    })
                }))
            }),
        )
    });
    let server = TestServer::start(app);
    let mut connections: Vec<_> = (0..HANDLERS)
        .map(|_| {
            let mut connection = Connection::open(server.addr()).expect("connects");
            connection
                .send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                .expect("sends");
            connection
        })
        .collect();
    for connection in &mut connections {
        assert_eq!(connection.read_response().expect("answers").body, b"012");
    }
}

#[test]
fn handlers_may_use_rayon_and_nest_it() {
    let offload = patient()
        .lanes(|lanes| lanes.threads(2))
        .mode(Mode::Lane)
        .build()
        .expect("starts");
    let app = offload.app(|| {
        App::new()
            .route(
                "/sort/{seed}",
                web::get().to(|seed: web::Path<u64>| async move {
                    let mut numbers: Vec<u64> = (0..200_000u64)
                        .map(|n| (n ^ *seed).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                        .collect();
                    // A nested join around a parallel sort, before and after an await.
                    let (left, right) = numbers.split_at_mut(100_000);
                    rayon::join(|| left.par_sort_unstable(), || right.par_sort_unstable());
                    tokio::task::yield_now().await;
                    let seen = AtomicUsize::new(0);
                    rayon::scope(|scope| {
                        for _ in 0..8 {
                            scope.spawn(|_| {
                                let sum = (0..1000u64)
                                    .into_par_iter()
                                    .map(std::hint::black_box)
                                    .count();
                                seen.fetch_add(sum, Ordering::Relaxed);
                            });
                        }
                    });
                    assert_eq!(seen.into_inner(), 8000);
                    numbers.par_sort_unstable();
                    assert!(numbers.is_sorted());
                    "sorted"
                }),
            )
            .route(
                "/nap",
                web::get().to(|| async {
                    for _ in 0..20 {
                        // Woken from a thread of another pool, in whatever the lane thread is at by then.
                        web::block(|| ()).await.expect("runs");
                        actix_web::rt::spawn(async {}).await.expect("runs");
                    }
                    "rested"
                }),
            )
    });
    let server = TestServer::start(app);
    let server = &server;
    thread::scope(|scope| {
        for client in 0..8 {
            scope.spawn(move || {
                for round in 0..4 {
                    assert_eq!(
                        get(server, &format!("/sort/{}", client * 10 + round)),
                        b"sorted"
                    );
                    assert_eq!(get(server, "/nap"), b"rested");
                }
            });
        }
    });
    assert_eq!(offload.lanes().stats().resident_panics, 0);
}

/// Where the report says that `GET /changing` runs.
fn placement(offload: &Offload) -> Option<Placement> {
    let routes = offload.report().routes;
    let route = routes.iter().find(|route| route.pattern == "/changing")?;
    Some(route.placement)
}

fn ask_until(server: &TestServer, offload: &Offload, wanted: Placement, at_most: usize) {
    for _ in 0..at_most {
        if placement(offload) == Some(wanted) {
            return;
        }
        get(server, "/changing");
    }
    panic!(
        "{:?} after {at_most} requests: {:?}",
        placement(offload),
        offload.report().routes
    );
}

#[test]
fn a_route_changes_sides_when_its_cost_does_and_says_why() {
    let offload = patient()
        .lanes(|lanes| lanes.threads(2))
        // Roomy, so that noise on a busy machine is no change of cost.
        .budget(Duration::from_millis(5))
        .build()
        .expect("starts");
    let cost = web::Data::new(AtomicU64::new(0));
    let app = {
        let cost = cost.clone();
        offload.app(move || {
            App::new().app_data(cost.clone()).route(
                "/changing",
                web::get().to(|cost: web::Data<AtomicU64>| async move {
                    burn(Duration::from_millis(cost.load(Ordering::Relaxed)));
                    "done"
                }),
            )
        })
    };
    let server = TestServer::start(app);
    ask_until(&server, &offload, Placement::Loop, 200);
    cost.store(80, Ordering::Relaxed);
    ask_until(&server, &offload, Placement::Lane, 5);
    cost.store(0, Ordering::Relaxed);
    ask_until(&server, &offload, Placement::Loop, 2000);

    let report = offload.report();
    let route = report
        .routes
        .iter()
        .find(|r| r.pattern == "/changing")
        .expect("reported");
    let json = serde_json::to_value(route).expect("JSON");
    assert!(json["last_move"]["reason"].is_string(), "{json}");
}

#[test]
fn a_client_that_leaves_takes_its_queued_request_with_it() {
    let offload = patient()
        .lanes(|lanes| lanes.threads(1).spare_threads(0).patience(LONG..=LONG))
        .mode(Mode::Lane)
        .build()
        .expect("starts");
    let (started, gate) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let ran = Arc::new(RwLock::new(Vec::<String>::new()));
    let app = {
        let (started, gate, ran) = (started.clone(), gate.clone(), ran.clone());
        offload.app(move || {
            let (started, gate, ran) = (started.clone(), gate.clone(), ran.clone());
            App::new().route(
                "/{name}",
                web::get().to(move |name: web::Path<String>| {
                    let (started, gate, ran) = (started.clone(), gate.clone(), ran.clone());
                    async move {
                        if *name == "blocker" {
                            started.wait();
                            gate.wait();
                        }
                        ran.write()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(name.into_inner());
                        "ran"
                    }
                }),
            )
        })
    };
    let server = TestServer::builder().start_with(app, |server| server.h1_allow_half_closed(false));
    let open = |path: &str| {
        let mut connection = Connection::open(server.addr()).expect("connects");
        let request = format!("GET /{path} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
        connection
    };
    let mut blocker = open("blocker");
    started.wait();
    let leaving = open("leaves");
    let mut staying = open("stays");
    wait_until(|| offload.lanes().queued() == 2);
    drop(leaving);
    wait_until(|| offload.lanes().queued() == 1);
    gate.wait();
    assert_eq!(blocker.read_response().expect("answers").body, b"ran");
    assert_eq!(staying.read_response().expect("answers").body, b"ran");
    assert_eq!(
        *ran.read().unwrap_or_else(PoisonError::into_inner),
        ["blocker", "stays"]
    );
}

#[test]
fn a_full_queue_refuses_and_never_runs_on_the_loop() {
    let offload = Offload::builder()
        .lanes(|lanes| {
            lanes
                .threads(1)
                .spare_threads(0)
                .patience(LONG..=LONG)
                .queue_bound(1)
        })
        .mode(Mode::Lane)
        .build()
        .expect("starts");
    let (started, gate) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let app = {
        let (started, gate) = (started.clone(), gate.clone());
        offload.app(move || {
            let (started, gate) = (started.clone(), gate.clone());
            App::new().route(
                "/{name}",
                web::get().to(move |name: web::Path<String>| {
                    let (started, gate) = (started.clone(), gate.clone());
                    async move {
                        if *name == "blocker" {
                            started.wait();
                            gate.wait();
                        }
                        "ran"
                    }
                }),
            )
        })
    };
    let server = TestServer::start(app);
    let open = |path: &str| {
        let mut connection = Connection::open(server.addr()).expect("connects");
        let request = format!("GET /{path} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
        connection
    };
    let mut blocker = open("blocker");
    started.wait();
    let mut waiting = open("waits");
    wait_until(|| offload.lanes().queued() == 1);
    let refused = open("refused").read_response().expect("answers");
    assert!(
        refused.status_line.starts_with(b"HTTP/1.1 503 "),
        "{refused:?}"
    );
    assert!(
        refused
            .header_lines
            .iter()
            .any(|line| line.to_ascii_lowercase().starts_with(b"retry-after: ")),
        "{refused:?}",
    );
    gate.wait();
    assert_eq!(blocker.read_response().expect("answers").body, b"ran");
    assert_eq!(waiting.read_response().expect("answers").body, b"ran");
    assert!(offload.report().event_loops.iter().all(|l| l.requests == 0));
}

/// Longer than any test takes, so that nothing is refused for having waited on a slow machine.
const LONG: Duration = Duration::from_secs(600);

/// Waits for a condition that must come; a hang fails with a message.
fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "the condition never came"
        );
        thread::yield_now();
    }
}

/// What a handler on an event loop reads of its thread's slice.
#[cfg(target_os = "linux")]
async fn slice() -> String {
    let report = std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
    let line = report.lines().find(|line| line.starts_with("se.slice"));
    let slice = line.and_then(|line| line.split_once(':'));
    slice.map_or_else(String::new, |(_, slice)| slice.trim().to_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn event_loops_ask_for_short_slices_unless_the_plugin_is_off() {
    let slice_of = |mode| {
        let offload = patient().mode(mode).build().expect("starts");
        let app = offload.app(|| App::new().route("/slice", web::get().to(slice)));
        let slice = get(&TestServer::start(app), "/slice");
        String::from_utf8(slice).expect("digits")
    };
    let usual = slice_of(Mode::Off);
    if usual.is_empty() {
        eprintln!("skipped: this kernel does not tell the slices of threads");
        return;
    }
    assert_ne!(usual, "100000");
    assert_eq!(slice_of(Mode::Loop), "100000");
}
