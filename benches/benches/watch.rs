//! What the stall watch takes and how soon it speaks: the CPU time of its thread and of loops at rest, and the time from a
//! stall's threshold to its first report.
//!
//! Linux only, where the kernel tells the CPU time of each thread. `--json FILE` keeps the figures.

use std::{
    fs,
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_offload::{Offload, Placement, StallWatch, clock::thread_cpu_time};
use actix_web::{App, HttpResponse, HttpServer, web};
use offload_benches::{keep, only_once};
use serde_json::json;

const LOOPS: usize = 2;
const STRETCH: Duration = Duration::from_secs(5);
const STALLS: usize = 20;
const STALL: Duration = Duration::from_millis(100);

/// On-CPU seconds of all threads of this process whose names begin so.
fn on_cpu(names: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.filter_map(|task| {
        let task = task.ok()?.path();
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let times = fs::read_to_string(task.join("schedstat")).ok()?;
        let nanos: f64 = times.split(' ').next()?.parse().ok()?;
        name.starts_with(names).then_some(nanos)
    });
    nanos.sum::<f64>() / 1e9
}

/// Which part of a core the threads take while `during` goes on.
fn share(names: &str, during: impl FnOnce()) -> f64 {
    let (start, before) = (Instant::now(), on_cpu(names));
    during();
    (on_cpu(names) - before) / start.elapsed().as_secs_f64()
}

fn burn() -> HttpResponse {
    let end = thread_cpu_time() + STALL;
    while thread_cpu_time() < end {
        std::hint::spin_loop();
    }
    HttpResponse::Ok().finish()
}

/// Starts a server in a thread of its own; it ends with the process.
fn serve(offload: &Offload) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    let app = offload.app(|| {
        App::new()
            .route("/", web::get().to(|| async { "hello" }))
            .route("/burn", web::get().to(|| async { burn() }))
    });
    thread::spawn(move || {
        actix_rt::System::new().block_on(async {
            let server = HttpServer::new(app).workers(LOOPS).tcp_nodelay(true);
            let server = server.bind(("127.0.0.1", 0)).expect("binds");
            tell.send(server.addrs()[0]).expect("somebody waits");
            server.run().await.expect("serves");
        });
    });
    told.recv().expect("an address")
}

fn ask(connection: &mut TcpStream, path: &str) {
    write!(connection, "GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").expect("sends");
    let mut answer = [0; 4096];
    let read = connection.read(&mut answer).expect("answers");
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
}

fn offload(watch: Option<actix_offload::StallWatchBuilder>) -> Offload {
    Offload::builder()
        .pin("GET", "/", Placement::Loop)
        .pin("GET", "/burn", Placement::Loop)
        .stall_watch(watch)
        .build()
        .expect("starts")
}

/// The share of a core that the loops of a server take which nobody asks anything.
fn at_rest(watch: Option<actix_offload::StallWatchBuilder>) -> (f64, f64) {
    let offload = offload(watch);
    let _address = serve(&offload);
    // Until the names of functions are read.
    thread::sleep(Duration::from_secs(3));
    let mut watcher = 0.0;
    let loops = share("actix-rt|", || {
        watcher = share("offload-stalls", || thread::sleep(STRETCH));
    });
    (loops, watcher)
}

fn main() -> ExitCode {
    if only_once() || !cfg!(target_os = "linux") {
        println!("skipped: a test run, or no Linux");
        return ExitCode::SUCCESS;
    }
    let (loops_without, _) = at_rest(None);
    let (loops_of_both, rest) = at_rest(Some(StallWatch::builder()));

    let (tell, told) = mpsc::channel();
    let offload = offload(Some(
        StallWatch::builder()
            .reports_per_minute(u32::MAX)
            .on_stall(move |stall| drop(tell.send(stall.clone()))),
    ));
    let address = serve(&offload);
    let mut connection = TcpStream::connect(address).expect("connects");
    connection.set_nodelay(true).expect("a socket");
    let mut requests = 0_u64;
    let start = Instant::now();
    // The watches of the servers before are idle, so what they take is known.
    let busy = share("offload-stalls", || {
        while start.elapsed() < STRETCH {
            ask(&mut connection, "/");
            requests += 1;
        }
    }) - rest;
    let false_alarms = told.try_iter().count();

    for _ in 0..STALLS {
        ask(&mut connection, "/burn");
    }
    let mut first = std::collections::BTreeMap::new();
    for stall in told.try_iter() {
        first.entry(stall.id).or_insert(stall);
    }
    let threshold = Duration::from_millis(25);
    let mut late: Vec<f64> = first
        .values()
        .map(|stall| stall.elapsed.saturating_sub(threshold).as_secs_f64() * 1e3)
        .collect();
    late.sort_by(f64::total_cmp);
    let figures = json!({
        "loops": LOOPS,
        "watcher at rest, share of a core": rest,
        "watcher while a loop is busy, share of a core": busy,
        "loops at rest without a watch, share of a core": loops_without,
        "loops at rest of both servers, share of a core": loops_of_both,
        "light requests meanwhile": requests,
        "reports meanwhile": false_alarms,
        "stalls of 100 ms": STALLS,
        "of them reported": late.len(),
        "first report after the threshold, median, ms": late[late.len() / 2],
        "first report after the threshold, latest, ms": late[late.len() - 1],
    });
    for (name, value) in figures.as_object().into_iter().flatten() {
        println!("{name:55} {value}");
    }
    keep(&figures)
}
