//! The runtime that each lane thread has: what is spawned there, its blocking pool, and its stack.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use actix_offload::{Mode, Offload, OffloadBuilder};
use actix_web::{App, HttpResponse, rt, web};
use offload_tests::{client::Client, server::TestServer};

use crate::gate::{Gate, wait_until};

/// The plugin with every route on the lanes, and longer patience than any request needs here.
fn all_on_lanes(threads: usize) -> OffloadBuilder {
    let patience = Duration::from_secs(300);
    Offload::builder()
        .mode(Mode::Lane)
        .lanes(|lanes| lanes.threads(threads).patience(patience..=patience))
}

fn get(server: &TestServer, path: &str) -> String {
    let answer = Client::new(server.addr()).get(path).expect("answers");
    assert_eq!(answer.status(), 200, "{path}");
    String::from_utf8(answer.body).expect("text")
}

/// How many run at a time, and how many did at most.
#[derive(Clone, Default)]
struct AtOnce {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
}

impl AtOnce {
    fn during(&self, work: impl FnOnce()) {
        self.begun.fetch_add(1, SeqCst);
        self.most
            .fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        work();
        self.now.fetch_sub(1, SeqCst);
    }
}

/// Asks for twenty blocking calls on a server of two workers with such a limit each, and returns how many ran at a time.
fn blocking_at_once(limit: usize, offload: Option<&Offload>) -> usize {
    let (counted, gate) = (AtOnce::default(), Gate::default());
    let (counts, waits) = (counted.clone(), gate.clone());
    let app = move || {
        let (counts, waits) = (counts.clone(), waits.clone());
        App::new().route(
            "/block",
            web::get().to(move || {
                let (counts, waits) = (counts.clone(), waits.clone());
                async move {
                    let done = web::block(move || counts.during(|| waits.wait())).await;
                    done.map(|()| HttpResponse::Ok().finish())
                }
            }),
        )
    };
    let builder = TestServer::builder().workers(2);
    let server = match offload {
        Some(offload) => builder.start_with(offload.app(app), move |server| {
            server.worker_max_blocking_threads(limit)
        }),
        None => builder.start_with(app, move |server| server.worker_max_blocking_threads(limit)),
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| get(&server, "/block")))
            .collect();
        wait_until("as many as may run do", || {
            counted.begun.load(SeqCst) >= 2 * limit
        });
        gate.open();
        for client in clients {
            client.join().expect("is answered");
        }
    });
    assert_eq!(counted.begun.load(SeqCst), 20);
    counted.most.load(SeqCst)
}

#[test]
fn blocking_calls_on_lanes_are_within_the_workers_limit() {
    for limit in [1, 2] {
        let offload = all_on_lanes(4).build().expect("starts");
        let most = blocking_at_once(limit, Some(&offload));
        assert_eq!(most, 2 * limit, "with the plugin");
        // Clients may all have come to one of the two workers.
        assert!(blocking_at_once(limit, None) <= 2 * limit, "without it");
    }
}

/// A computation that a handler spawns keeps one lane thread and nobody else.
#[test]
fn what_a_handler_spawns_keeps_one_thread_only() {
    let offload = all_on_lanes(2).build().expect("starts");
    let (spawned, over) = (Gate::default(), Gate::default());
    let (tells, waits) = (spawned.clone(), over.clone());
    let app = move || {
        let (tells, waits) = (tells.clone(), waits.clone());
        App::new()
            .route(
                "/spawn",
                web::get().to(move || {
                    let (tells, waits) = (tells.clone(), waits.clone());
                    async move {
                        tokio::spawn(async move {
                            tells.open();
                            waits.wait();
                        });
                        "spawned"
                    }
                }),
            )
            .route(
                "/sleep",
                web::get().to(|| async {
                    rt::time::sleep(Duration::from_millis(1)).await;
                    "slept"
                }),
            )
    };
    let server = TestServer::start(offload.app(app));
    get(&server, "/spawn");
    spawned.wait();
    // The gate is shut until all of them are answered, or they would be late.
    for _ in 0..50 {
        get(&server, "/sleep");
    }
    over.open();
}

/// Deep recursion inside of rayon, for which the app would have given rayon's own pool a larger stack.
#[test]
fn lanes_have_the_stack_that_they_are_given() {
    fn deep(left: usize) -> usize {
        let ballast = std::hint::black_box([left as u8; 4096]);
        if left == 0 {
            return 0;
        }
        let (one, _) = rayon::join(|| deep(left - 1), || ());
        one + usize::from(ballast[left % 4096] == left as u8)
    }

    let offload = all_on_lanes(2)
        .lanes(|lanes| lanes.stack_size(64 << 20))
        .build()
        .expect("starts");
    let app = || App::new().route("/deep", web::get().to(|| async { deep(2_000).to_string() }));
    let server = TestServer::start(offload.app(app));
    for _ in 0..8 {
        assert_eq!(get(&server, "/deep"), "2000");
    }
    let error = Offload::builder()
        .lanes(|lanes| lanes.stack_size(1))
        .build()
        .expect_err("too small");
    assert!(error.to_string().contains("stack_size"), "{error}");
}

/// Policy and niceness in a thread's line of `/proc`.
#[cfg(target_os = "linux")]
fn scheduled(stat: &str) -> String {
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    let field = |number: usize| fields.split(' ').nth(number - 3).expect("a field").trim();
    format!("policy {}, nice {}", field(41), field(19))
}

#[cfg(target_os = "linux")]
fn scheduled_here() -> String {
    scheduled(&std::fs::read_to_string("/proc/thread-self/stat").expect("a thread"))
}

/// Whatever a handler starts on a lane is scheduled as if it had been started on an event loop.
#[cfg(target_os = "linux")]
#[test]
fn what_is_started_on_a_lane_has_the_usual_priority() {
    use std::process::Command;

    async fn started() -> String {
        let thread = thread::spawn(scheduled_here).join().expect("no panic");
        let child = Command::new("cat").arg("/proc/self/stat").output();
        let child = String::from_utf8(child.expect("runs").stdout).expect("text");
        let blocking = web::block(scheduled_here).await.expect("runs");
        let (tell, told) = std::sync::mpsc::channel();
        // A pool of the app's own that a first request starts.
        let pool = thread::spawn(move || {
            thread::spawn(move || tell.send(scheduled_here()))
                .join()
                .is_ok()
        });
        assert!(pool.join().expect("no panic"));
        let grandchild = told.recv().expect("it has told");
        [thread, scheduled(&child), blocking, grandchild].join("; ")
    }

    let expected = thread::spawn(scheduled_here).join().expect("no panic");
    let expected = [(); 4].map(|()| expected.as_str()).join("; ");
    // What costs more than the limit is the long lane's from its second run on.
    for limit in [Duration::from_secs(1), Duration::from_micros(1)] {
        let offload = all_on_lanes(2)
            .lanes(|lanes| lanes.short_limit(limit))
            .build()
            .expect("starts");
        let app = || App::new().route("/", web::get().to(started));
        let server = TestServer::start(offload.app(app));
        for _ in 0..3 {
            assert_eq!(get(&server, "/"), expected);
        }
    }
}
