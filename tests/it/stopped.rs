//! A process that stands still as a whole, as one that is stopped or frozen, refuses nobody for the time in which it stood.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use actix_offload::Offload;
use actix_web::{App, web};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use offload_tests::{client::Client, connection::Connection, server::TestServer, work::burn};

/// Set for the process that is stopped.
const SERVES: &str = "OFFLOAD_TEST_STOPPED_SERVES";
const PATIENCE: Duration = Duration::from_secs(5);
const COST: Duration = Duration::from_millis(20);
/// All of them take a small part of the patience, also where others want the cores.
const REQUESTS: usize = 10;

/// Serves until its standard input ends.
fn serve() {
    let offload = Offload::builder()
        .lanes(|lanes| {
            lanes
                .threads(1)
                .patience(PATIENCE..=PATIENCE)
                .burst_patience(PATIENCE)
        })
        .build()
        .expect("starts");
    let heavy = || async {
        burn(COST);
        "done"
    };
    let server =
        TestServer::start(offload.app(move || App::new().route("/heavy", web::get().to(heavy))));
    println!("\nserves {}", server.addr());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Goes on and ends, however the test ends.
struct Server {
    child: Child,
    /// What it writes: it would fail if nobody could read that.
    says: BufReader<ChildStdout>,
}

impl Server {
    fn signal(&self, signal: Signal) {
        let own = i32::try_from(self.child.id()).expect("a process");
        kill(Pid::from_raw(own), signal).expect("it is there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn who_waits_while_the_process_is_stopped_is_not_refused_for_it() {
    if env::var_os(SERVES).is_some() {
        return serve();
    }
    let name = "stopped::who_waits_while_the_process_is_stopped_is_not_refused_for_it";
    let child = Command::new(env::current_exe().expect("this program"))
        .args([name, "--exact", "--nocapture"])
        .env(SERVES, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.expect("the program starts");
    let says = BufReader::new(child.stdout.take().expect("piped"));
    let mut server = Server { child, says };
    let mut said = server.says.by_ref().lines();
    let address = said
        .find_map(|line| line.expect("text").strip_prefix("serves ")?.parse().ok())
        .expect("it says where it serves");
    let client = Client::new(address);
    for _ in 0..4 {
        assert_eq!(client.get("/heavy").expect("answers").status(), 200);
    }
    let mut connections: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let mut connection = Connection::open(address).expect("connects");
            let request = b"GET /heavy HTTP/1.1\r\nHost: test\r\n\r\n";
            connection.send(request).expect("sends");
            connection
        })
        .collect();
    let mut status = |index: usize| {
        let response = connections[index].read_response();
        response.expect("answers").status()
    };
    assert_eq!(status(0), 200);
    server.signal(Signal::SIGSTOP);
    // What is tried here is the time itself.
    thread::sleep(PATIENCE + PATIENCE / 5);
    server.signal(Signal::SIGCONT);
    let answered: Vec<_> = (1..REQUESTS).map(status).collect();
    assert_eq!(answered, [200; REQUESTS - 1]);
}
