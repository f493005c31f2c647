//! The monitor as a program: on a terminal, which it leaves as it was, and in a pipe.
#![cfg(unix)]
#![forbid(unsafe_code)]

mod deadline;

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use nix::{
    pty::{OpenptyResult, Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{LocalFlags, Termios, tcgetattr},
    },
    unistd::Pid,
};

use self::deadline::{DEADLINE, in_time, output_of, rest_of, wait_until};

const STATE: &str = include_str!("../src/monit/tests/state.json");

/// What a terminal is told when a program leaves its screen.
const LEAVE: &str = "\u{1b}[?1049l";

/// A server that gives the same answer to whatever it is asked; gives its URL.
fn serve(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let answer = move |mut stream: TcpStream| {
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        while let Some(Ok(line)) = lines.next() {
            if line.is_empty() {
                let length = body.len();
                let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                // The monitor may have ended.
                let _written = stream.write_all(text.as_bytes());
            }
        }
    };
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    format!("http://{addr}")
}

fn monit(url: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-app"));
    command
        .args(["monit", "--every", "50", "--url", url])
        .args(flags)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR");
    command
}

/// A monitor on a terminal of its own. It is killed when a test fails before it has ended.
struct OnTerminal {
    child: Child,
    keyboard: File,
    terminal: OwnedFd,
    before: Termios,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn start(url: &str) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(&size, None).expect("a terminal");
        let before = tcgetattr(&slave).expect("its settings");
        let end = || Stdio::from(slave.try_clone().expect("a handle"));
        let child = monit(url, &[])
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the program starts");
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().expect("a handle");
        let (tell, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Linux calls it an error when the last handle of the other end is closed.
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                if tell.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            terminal: slave,
            before,
            output,
            seen: String::new(),
        }
    }

    /// Waits until the screen was told this word. Blanks between words may be left out where it is blank already.
    fn wait_for(&mut self, word: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.seen.contains(word) {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.output.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("no {word:?} in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("it reads");
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it lives");
    }

    fn is_raw(&self) -> bool {
        let now = tcgetattr(&self.terminal).expect("its settings");
        !now.local_flags.contains(LocalFlags::ICANON)
    }

    /// Waits for the end, and looks at what it left behind.
    fn assert_ends_cleanly(mut self) -> ExitStatus {
        self.wait_for(LEAVE);
        let mut status = None;
        wait_until("it ends", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        });
        let after = tcgetattr(&self.terminal).expect("its settings");
        assert_eq!(after.local_flags, self.before.local_flags);
        assert_eq!(after.input_flags, self.before.input_flags);
        assert_eq!(after.output_flags, self.before.output_flags);
        status.expect("it has ended")
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what they are for.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[test]
fn keys_end_it_and_the_terminal_is_as_before() {
    let url = serve("200 OK", STATE);
    for key in ["q", "\u{3}"] {
        let mut monit = OnTerminal::start(&url);
        monit.wait_for("STALLED");
        assert!(monit.is_raw());
        monit.press(key);
        assert_eq!(monit.assert_ends_cleanly().code(), Some(0), "{key:?}");
    }
}

#[test]
fn signals_end_it_and_the_terminal_is_as_before() {
    let url = serve("200 OK", STATE);
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let mut monit = OnTerminal::start(&url);
        monit.wait_for("STALLED");
        assert!(monit.is_raw());
        monit.signal(signal);
        assert_eq!(monit.assert_ends_cleanly().code(), Some(0), "{signal}");
    }
}

#[test]
fn keys_work_while_the_server_does_not_answer() {
    // It takes connections and leaves them alone.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = silent.local_addr().expect("an address");
    let mut monit = OnTerminal::start(&addr.to_string());
    monit.wait_for("connecting");
    monit.press("?");
    monit.wait_for("PgDn");
    monit.press("q");
    assert_eq!(monit.assert_ends_cleanly().code(), Some(0));
}

#[test]
fn in_a_pipe_it_writes_blocks_of_text() {
    let url = serve("200 OK", STATE);
    let Output { status, stdout, .. } = output_of(&mut monit(&url, &["--count", "2"]));
    assert_eq!(status.code(), Some(0));
    let text = String::from_utf8(stdout).expect("text");
    assert_eq!(
        text.matches("STALLED 1.3s GET /inline/timer").count(),
        2,
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_reader_that_leaves_ends_it_without_an_error() {
    let url = serve("200 OK", STATE);
    let mut child = monit(&url, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    in_time("its first line", move || {
        stdout.read_line(&mut String::new()).expect("text")
    });
    let Output { status, stderr, .. } = rest_of(child);
    assert_eq!(status.code(), Some(0));
    assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn a_server_without_the_page_is_named_and_fails_at_the_end() {
    let url = serve("404 Not Found", "");
    let Output {
        status,
        stdout,
        stderr,
    } = output_of(&mut monit(&url, &["--count", "1"]));
    assert_eq!(status.code(), Some(1));
    for (text, goes_on) in [(stdout, true), (stderr, false)] {
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text.contains("trying again"), goes_on, "{text}");
        assert!(
            text.contains(&url) && text.contains("--offload off"),
            "{text}"
        );
    }
}

#[test]
fn wrong_flags_are_refused_by_name() {
    for (flags, named) in [
        (["--count", "0"], "--count"),
        (["--every", "1"], "--every"),
        (["--url", "https://host"], "only http://"),
        (["--workers", "2"], "--workers"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo-app"));
        let Output { status, stderr, .. } = output_of(command.arg("monit").args(flags));
        assert_eq!(status.code(), Some(2), "{flags:?}");
        let said = String::from_utf8_lossy(&stderr);
        assert!(said.contains(named), "{flags:?}: {said}");
    }
}
