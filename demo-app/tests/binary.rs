//! The program itself: says where it is, answers, stops when it is told to, and complains clearly.
#![cfg(unix)]
#![forbid(unsafe_code)]

mod deadline;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use self::deadline::{DEADLINE, in_time, output_of, wait_until};

/// Each server, with its plugin or layer and without.
const SERVERS: [(&str, &str); 4] = [
    ("actix", "auto"),
    ("actix", "off"),
    ("axum", "auto"),
    ("axum", "off"),
];

fn program(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-app"));
    command.args(flags).env_remove("RUST_LOG");
    command
}

/// A demo that runs. It is killed when a test fails before it has stopped.
struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    banner: String,
    addr: SocketAddr,
}

impl Running {
    fn start(flags: &[&str]) -> Self {
        let mut child = program(&["--addr", "127.0.0.1:0", "--workers", "1", "--threads", "2"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut demo = Self {
            child,
            stdout: None,
            banner: String::new(),
            addr: ([0, 0, 0, 0], 0).into(),
        };
        let (stdout, banner) = in_time("it says where it is", || banner(stdout));
        let url = banner.split("http://").nth(1).expect("a URL");
        let addr = url.split_whitespace().next();
        let addr = addr.and_then(|addr| addr.parse().ok());
        demo.addr = addr.unwrap_or_else(|| panic!("no address in {banner}"));
        demo.banner = banner;
        demo.stdout = Some(stdout);
        demo
    }

    fn get(&self, target: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        answer
    }

    /// Sends a signal, and waits for the end. Gives its status and its last words.
    fn stop(mut self, signal: Signal) -> (ExitStatus, String) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it lives");
        // Its output ends when it does.
        let mut stdout = self.stdout.take().expect("read once");
        let words = in_time("it stops", move || {
            let mut words = String::new();
            stdout.read_to_string(&mut words).expect("text");
            words
        });
        let mut status = None;
        wait_until("it ends", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        });
        (status.expect("it has ended"), words)
    }
}

/// Reads all that it says when it starts.
fn banner(mut stdout: BufReader<ChildStdout>) -> (BufReader<ChildStdout>, String) {
    let mut banner = String::new();
    while !banner.contains("stops it\n") {
        let read = stdout.read_line(&mut banner).expect("text");
        assert_ne!(read, 0, "it ended after {banner:?}");
    }
    (stdout, banner)
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what they are for.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[test]
fn it_says_where_it_is_answers_and_stops_cleanly() {
    for (server, mode) in SERVERS {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            says_answers_and_stops(server, mode, signal);
        }
    }
}

fn says_answers_and_stops(server: &str, mode: &str, signal: Signal) {
    let demo = Running::start(&["--server", server, "--offload", mode]);
    for said in ["event loops   1\n", &format!("offload       {mode}")] {
        assert!(demo.banner.contains(said), "{}", demo.banner);
    }
    let lanes = if mode == "auto" {
        "lane threads  2\n"
    } else {
        "lane threads  none\n"
    };
    assert!(demo.banner.contains(lanes), "{}", demo.banner);
    let only = demo.banner.contains("only on actix /lab, /metrics,");
    assert_eq!(only, server == "axum", "{}", demo.banner);

    let process = format!("process {}\n", demo.child.id());
    assert!(demo.get("/").contains(&process), "{server} {mode}");
    demo.get("/burn?ms=2");
    let (status, words) = demo.stop(signal);
    assert_eq!(status.code(), Some(0), "{server} {mode} {signal}: {status}");
    assert!(
        words.starts_with("demo-app has stopped"),
        "{server} {mode} {words}"
    );
}

#[test]
fn it_can_be_stopped_as_soon_as_it_has_said_where_it_is() {
    for (server, mode) in SERVERS {
        for _ in 0..10 {
            let demo = Running::start(&["--server", server, "--offload", mode]);
            let (status, _) = demo.stop(Signal::SIGTERM);
            assert_eq!(status.code(), Some(0), "{server} {mode}: {status}");
        }
    }
}

#[test]
fn a_request_under_way_is_answered_before_it_stops() {
    for (server, mode) in SERVERS {
        let demo = Running::start(&["--server", server, "--offload", mode]);
        let mut stream = begun(&demo);
        let (pid, addr) = (Pid::from_raw(demo.child.id().cast_signed()), demo.addr);
        if (server, mode) != ("actix", "off") {
            // Whoever asks twice at once asks once, as `timeout` does, which tells a process and its group. actix alone takes this
            // one for a wish to end at once.
            kill(pid, Signal::SIGINT).expect("it lives");
        }
        let stopping = thread::spawn(move || demo.stop(Signal::SIGTERM));
        wait_until("it accepts no more", || TcpStream::connect(addr).is_err());
        stream.write_all(b"abc").expect("it still reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(
            answer.contains("ba7816bf8f01cfea"),
            "{server} {mode}: {answer}"
        );
        let (status, _) = stopping.join().expect("no panic");
        assert_eq!(status.code(), Some(0), "{server} {mode}");
    }
}

/// A request whose handler waits for its body, and has begun.
fn begun(demo: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(demo.addr).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let head = b"POST /digest HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\
                 Expect: 100-continue\r\nConnection: close\r\n\r\n";
    stream.write_all(head).expect("it reads");
    // The interim answer says so.
    let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut interim).expect("an interim answer");
    stream
}

/// A request that keeps the only worker busy for longer than any test takes.
fn busy(demo: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(demo.addr).expect("it listens");
    let asked = b"GET /inline/timer?ms=60000 HTTP/1.1\r\nHost: test\r\n\r\n";
    stream.write_all(asked).expect("it is taken");
    stream
}

#[test]
fn on_axum_a_later_signal_ends_it_while_its_worker_computes() {
    for mode in ["auto", "off"] {
        let flags = ["--server", "axum", "--offload", mode, "--grace", "3600"];
        let mut demo = Running::start(&flags);
        let _open = (begun(&demo), busy(&demo));
        let pid = Pid::from_raw(demo.child.id().cast_signed());
        let mut status = None;
        wait_until("it ends", || {
            // It may have ended meanwhile.
            let _sent = kill(pid, Signal::SIGTERM);
            status = demo.child.try_wait().expect("a status");
            status.is_some()
        });
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(3), "{mode}");
    }
}

#[test]
fn on_axum_the_grace_ends_while_its_worker_computes() {
    for mode in ["auto", "off"] {
        let demo = Running::start(&["--server", "axum", "--offload", mode, "--grace", "1"]);
        let _open = (begun(&demo), busy(&demo));
        let start = Instant::now();
        let (status, words) = demo.stop(Signal::SIGTERM);
        assert_eq!(status.code(), Some(0), "{mode}: {status}");
        assert!(words.contains("the grace was too short"), "{mode}: {words}");
        assert!(start.elapsed() < Duration::from_secs(30), "{mode}");
    }
}

#[test]
fn a_later_signal_ends_it_at_once() {
    let mut demo = Running::start(&["--grace", "3600"]);
    let mut stream = TcpStream::connect(demo.addr).expect("it listens");
    stream
        .write_all(b"GET /timer?ms=60000 HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("it reads");
    wait_until("its job runs", || {
        let metrics = demo.get("/metrics");
        metrics.contains("_running{lane=\"offload-short\"} 1")
    });
    let pid = Pid::from_raw(demo.child.id().cast_signed());
    kill(pid, Signal::SIGTERM).expect("it lives");
    // It has taken the first one when it accepts no more connections.
    wait_until("it accepts no more", || {
        TcpStream::connect(demo.addr).is_err()
    });
    // Who asks once more soon after the first time means the same, and who goes on means it.
    let mut status = None;
    wait_until("it ends", || {
        // It may have ended meanwhile.
        let _sent = kill(pid, Signal::SIGTERM);
        status = demo.child.try_wait().expect("a status");
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(3));
}

#[test]
fn what_was_learned_outlives_the_process() {
    let profile = Scratch::new("profile.json");
    let path = profile.0.to_str().expect("a path in UTF-8");
    let demo = Running::start(&["--profile", path]);
    demo.get("/burn?ms=5");
    assert_eq!(demo.stop(Signal::SIGTERM).0.code(), Some(0));
    let saved = fs::read_to_string(&profile.0).expect("a profile");
    assert!(saved.contains("/burn"), "{saved}");

    let demo = Running::start(&["--profile", path]);
    demo.get("/burn?ms=5");
    let report = demo.get("/_offload/routes");
    assert!(report.contains("profile"), "{report}");
    assert_eq!(demo.stop(Signal::SIGTERM).0.code(), Some(0));
}

#[test]
fn wrong_flags_are_refused_by_name() {
    for (flags, named) in [
        (["--workers", "0"], "--workers"),
        (["--threads", "100000"], "--threads"),
        (["--offload", "perhaps"], "--offload"),
        (["--addr", "here"], "--addr"),
        (["--server", "express"], "--server"),
        (["--colour", "red"], "--colour"),
    ] {
        let Output { status, stderr, .. } = output_of(&mut program(&flags));
        assert_eq!(status.code(), Some(2), "{flags:?}");
        let said = String::from_utf8_lossy(&stderr);
        assert!(said.contains(named), "{flags:?}: {said}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = taken.local_addr().expect("an address").to_string();
    for (server, mode) in SERVERS {
        let flags = ["--server", server, "--addr", &addr, "--offload", mode];
        let Output { status, stderr, .. } = output_of(&mut program(&flags));
        assert_eq!(status.code(), Some(1), "{server} {mode}");
        let said = String::from_utf8_lossy(&stderr);
        let named = format!("could not listen on {addr}");
        assert!(said.contains(&named), "{server} {mode}: {said}");
    }
}

/// A path for one test's file, which is gone when the test has ended.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("{}-{name}", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _removed = fs::remove_file(&self.0);
    }
}
