//! Thousands of panics cost no thread and no answer.

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use actix_offload::{Mode, StallWatch};
use actix_web::{App, web};
use offload_tests::{client::Client, connection::Connection, server::TestServer};

use super::{LONG, sturdy};
use crate::gate::wait_until;

const CONNECTIONS: usize = 16;
const EACH: usize = 125;

/// Says to a copy of this test that it has its process for itself.
const ALONE: &str = "OFFLOAD_TESTS_ALONE";

/// All threads of this process by their numbers, with their names.
fn threads() -> BTreeMap<u32, String> {
    let tasks = fs::read_dir("/proc/self/task").expect("a list of threads");
    let name = |task: &Path| fs::read_to_string(task.join("comm")).ok();
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let number = task.file_name().to_str()?.parse().ok()?;
            // One that has just ended has no name any more.
            Some((number, name(&task.path())?))
        })
        .collect()
}

#[test]
fn thousands_of_panics_leave_all_threads_as_they_were() {
    if env::var_os(ALONE).is_some() {
        return two_thousand_panics();
    }
    // Other tests start and end threads in this process, so it takes one of its own.
    let this_binary = env::current_exe().expect("a path");
    let alone = Command::new(this_binary)
        .args([
            "--exact",
            "saturation::panics::thousands_of_panics_leave_all_threads_as_they_were",
            "--nocapture",
        ])
        .env(ALONE, "yes")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .expect("starts");
    let output = String::from_utf8_lossy(&alone.stdout);
    let errors = String::from_utf8_lossy(&alone.stderr);
    let end = &errors[errors.ceil_char_boundary(errors.len().saturating_sub(4096))..];
    assert!(alone.status.success(), "{output}\n{end}");
    assert!(output.contains("1 passed"), "{output}");
}

fn two_thousand_panics() {
    // Without the threads of the watch that come, and one of them goes, in their own time.
    let watch = StallWatch::builder().blocking_pool(None).backtraces(false);
    let builder = sturdy().stall_watch(watch).lanes(|lanes| lanes.threads(2));
    let builder = builder.lanes(|lanes| lanes.patience(LONG..=LONG));
    let offload = builder.mode(Mode::Lane).build();
    let offload = offload.expect("starts");
    let panics = || -> &'static str { panic!("the handler panics") };
    let app = offload.app(move || {
        App::new()
            .route("/panics", web::get().to(move || async move { panics() }))
            .route("/plain", web::get().to(|| async { "plain" }))
    });
    let server = TestServer::builder().workers(2).start(app);
    let counted = || {
        let routes = offload.report().routes;
        let route = routes.iter().find(|route| route.pattern == "/panics");
        route.map(|route| route.panics)
    };
    let client = Client::new(server.addr());
    wait_until("the route is known", || {
        assert_eq!(client.get("/panics").expect("answers").status(), 500);
        assert_eq!(client.get("/plain").expect("answers").body, b"plain");
        counted().is_some()
    });
    let (before, panics_before) = (threads(), counted().expect("it is known"));

    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(server.addr()).expect("connects");
                for _ in 0..EACH {
                    let request = b"GET /panics HTTP/1.1\r\nHost: test\r\n\r\n";
                    connection.send(request).expect("sends");
                    let response = connection.read_response().expect("answers");
                    assert_eq!(response.status(), 500);
                }
            });
        }
    });

    let all = (CONNECTIONS * EACH) as u64;
    wait_until("all are counted", || counted() == Some(panics_before + all));
    wait_until("the same threads are there", || threads() == before);
    assert_eq!(client.get("/plain").expect("answers").body, b"plain");
    let stats = offload.lanes().stats();
    assert_eq!(
        (stats.panicked, stats.resident_panics),
        (0, 0),
        "none left the app"
    );
}
