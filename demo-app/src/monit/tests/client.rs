//! Servers that are away, that are something else, or that break off.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{STATE, state};
use crate::monit::{
    args::ServerUrl,
    client::{Client, FetchError, Fetched, watch},
};

/// Longer than any answer that comes at all.
const PATIENT: Duration = Duration::from_secs(60);

/// Serves each connection by `answer`; gives the URL.
pub(super) fn serve(answer: impl Fn(TcpStream) + Send + 'static) -> ServerUrl {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = listener.local_addr().expect("an address");
    // It ends with the test's process.
    thread::spawn(move || listener.incoming().flatten().for_each(answer));
    addr.to_string().parse().expect("a URL")
}

/// Reads the head of a request; gives its first line, or nothing if there is none.
pub(super) fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(head).expect("text");
    head.lines().next().map(str::to_owned)
}

pub(super) fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    // The client may have left.
    let _written = stream.write_all(text.as_bytes());
}

fn fetch(url: ServerUrl) -> Result<super::State, FetchError> {
    Client::new(url, PATIENT).fetch().result
}

#[test]
fn a_state_is_read_again_and_again_on_one_connection() {
    let (tell, connections) = mpsc::channel();
    let url = serve(move |mut stream| {
        tell.send(()).expect("the test listens");
        while let Some(line) = request(&mut stream) {
            assert_eq!(line, "GET /_offload/state HTTP/1.1");
            answer(&mut stream, "200 OK", STATE);
        }
    });
    let client = Client::new(url, PATIENT);
    for _ in 0..3 {
        assert_eq!(client.fetch().result.expect("a state"), state());
    }
    assert_eq!(connections.try_iter().count(), 1);
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let error = fetch(addr.parse().expect("a URL")).expect_err("nobody is there");
    assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");
    assert_eq!(error.to_string(), "does not answer: connection refused");
}

#[test]
fn a_server_without_the_page_is_told_from_one_that_fails() {
    for (status, text) in [
        ("404 Not Found", "--offload off"),
        ("401 Unauthorized", "status 401"),
        ("403 Forbidden", "does not show its state"),
        ("500 Internal Server Error", "answers with status 500"),
        ("503 Service Unavailable", "answers with status 503"),
    ] {
        let url = serve(move |mut stream| {
            request(&mut stream);
            answer(&mut stream, status, "no");
        });
        let error = fetch(url).expect_err(status);
        assert!(error.to_string().contains(text), "{status}: {error}");
    }
}

#[test]
fn what_is_no_state_is_said_to_be_none() {
    for body in [
        "<html>hello</html>",
        "",
        "{}",
        r#"{"error": "x"}"#,
        r#"{"routes": 1}"#,
        "{\"rou",
    ] {
        let url = serve(move |mut stream| {
            request(&mut stream);
            answer(&mut stream, "200 OK", body);
        });
        let error = fetch(url).expect_err(body);
        assert!(
            matches!(error, FetchError::NotState(_)),
            "{body}: {error:?}"
        );
        assert!(
            error
                .to_string()
                .starts_with("answers with something that is not its state")
        );
    }
}

#[test]
fn what_is_no_http_or_breaks_off_is_an_error() {
    for text in [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"routes\":",
    ] {
        let url = serve(move |mut stream| {
            request(&mut stream);
            let _written = stream.write_all(text.as_bytes());
        });
        let error = fetch(url).expect_err(text);
        let known = matches!(error, FetchError::Broken(_) | FetchError::Unreachable(_));
        assert!(known, "{text}: {error:?}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_left_for_a_new_connection() {
    // The first connection belongs to an event loop that is stalled; the next one does not.
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let url = serve(move |mut stream| {
        let first = counted.fetch_add(1, Relaxed) == 0;
        thread::spawn(move || {
            while request(&mut stream).is_some() {
                if first {
                    // Until the client leaves.
                    let _gone = stream.read(&mut [0]);
                    return;
                }
                answer(&mut stream, "200 OK", STATE);
            }
        });
    });
    // The second answer has to come within it, on a busy machine, too.
    let patience = Duration::from_secs(2);
    let client = Client::new(url, patience);
    let began = Instant::now();
    let error = client.fetch().result.expect_err("no answer");
    assert!(
        matches!(error, FetchError::Late(late) if late == patience),
        "{error:?}"
    );
    assert!(began.elapsed() >= patience);
    client.fetch().result.expect("another event loop answers");
    assert_eq!(connections.load(Relaxed), 2);
}

#[test]
fn watching_goes_on_through_failures_and_ends_with_its_listener() {
    let connections = AtomicUsize::new(0);
    let url = serve(move |mut stream| {
        // One answer a connection, and each second one is broken.
        request(&mut stream);
        match connections.fetch_add(1, Relaxed) % 2 {
            0 => answer(&mut stream, "200 OK", STATE),
            _ => answer(&mut stream, "500 No", ""),
        }
    });
    let (tell, fetched) = mpsc::channel::<Fetched>();
    let (alive, ended) = mpsc::channel::<()>();
    let tell = move |fetched| {
        let _dropped_with_it = &alive;
        tell.send(fetched).is_ok()
    };
    watch(Client::new(url, PATIENT), Duration::ZERO, tell).expect("a thread");
    let mut states = 0;
    let mut failures = 0;
    while states < 2 || failures < 2 {
        match fetched.recv_timeout(PATIENT).expect("it goes on").result {
            Ok(_) => states += 1,
            Err(_) => failures += 1,
        }
    }
    drop(fetched);
    assert_eq!(
        ended.recv_timeout(PATIENT),
        Err(RecvTimeoutError::Disconnected)
    );
}

#[test]
fn patience_follows_the_interval_within_limits() {
    for (every, patience) in [(50, 1_000), (500, 1_000), (2_000, 4_000), (60_000, 10_000)] {
        let every = Duration::from_millis(every);
        assert_eq!(Client::patience(every), Duration::from_millis(patience));
    }
}
