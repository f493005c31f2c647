//! What a plugin takes of the throughput of light routes over real sockets, as a ratio to the bare server.
//!
//! The servers run in the benchmark's own process, each with one thread that serves, and are asked in turns, so that a change of
//! the machine's speed touches all. The clients keep requests in flight (closed loop): that measures what a request costs, not
//! how responsive a server is. `--json FILE` keeps the figures.

use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{keep, only_once};

const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 15;
/// Until each route has been learned where it is light.
const WARM_UP: Duration = Duration::from_millis(200);

/// What is asked, and how much of it at once.
struct Load {
    name: &'static str,
    request: String,
    connections: usize,
    pipelined: usize,
}

fn loads() -> [Load; 3] {
    let get = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned();
    let item = json!({ "id": 1, "name": "a name", "tags": ["alpha", "beta"], "score": 0.5 });
    let body = Value::from(vec![item; 17]).to_string();
    let mut post =
        "POST /json HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".to_owned();
    write!(post, "content-length: {}\r\n\r\n{body}", body.len()).expect("a string");
    [
        Load {
            name: "GET /, 16 connections, one request in flight on each",
            request: get.clone(),
            connections: 16,
            pipelined: 1,
        },
        Load {
            name: "GET /, one connection, 32 requests in flight",
            request: get,
            connections: 1,
            pipelined: 32,
        },
        Load {
            name: "POST /json of 1 KB, 16 connections, one request in flight on each",
            request: post,
            connections: 16,
            pipelined: 1,
        },
    ]
}

/// How long one answer is. All are alike, because the date has a fixed length.
fn length_of_answer(stream: &mut TcpStream, request: &str) -> usize {
    stream.write_all(request.as_bytes()).expect("sends");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let got = stream.read(&mut buffer).expect("answers");
        answer.extend_from_slice(&buffer[..got]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        if body.len() == length {
            return answer.len();
        }
    }
}

/// Requests a second.
fn rate(address: SocketAddr, load: &Load, time: Duration) -> f64 {
    let connect = |_| {
        let stream = TcpStream::connect(address).expect("connects");
        stream.set_nodelay(true).expect("a socket");
        stream
    };
    let mut streams: Vec<TcpStream> = (0..load.connections).map(connect).collect();
    let length = length_of_answer(&mut streams[0], &load.request);
    let batch = load.request.repeat(load.pipelined);
    let mut answers = vec![0; length * load.pipelined];
    let start = Instant::now();
    let mut answered = 0;
    while start.elapsed() < time {
        for stream in &mut streams {
            stream.write_all(batch.as_bytes()).expect("sends");
        }
        for stream in &mut streams {
            stream.read_exact(&mut answers).expect("answers");
        }
        answered += load.connections * load.pipelined;
    }
    answered as f64 / start.elapsed().as_secs_f64()
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 4, values.len() / 2, last - last / 4].map(|at| values[at])
}

/// The whole of a benchmark: asks all servers for `GET /` and `POST /json`, and compares each of the others with the bare one.
///
/// # Panics
///
/// If one of them does not answer.
pub fn compare<const N: usize>(
    bare_server: SocketAddr,
    others: [(&'static str, SocketAddr); N],
) -> ExitCode {
    let (rounds, round) = if only_once() {
        (1, ROUND / 20)
    } else {
        (ROUNDS, ROUND)
    };
    println!(
        "light routes over sockets, one thread that serves, median of {rounds} rounds (and quartiles)"
    );
    let mut report = Vec::new();
    for load in loads() {
        let mut ratios = [const { Vec::new() }; N];
        let mut rates = Vec::new();
        rate(bare_server, &load, WARM_UP);
        for (_, server) in others {
            rate(server, &load, WARM_UP);
        }
        for _ in 0..rounds {
            // Before and after, so that a steady change of speed is no one's gain.
            let before = rate(bare_server, &load, round / 2);
            let with = others.map(|(_, server)| rate(server, &load, round));
            let bare = f64::midpoint(before, rate(bare_server, &load, round / 2));
            for (ratios, with) in ratios.iter_mut().zip(with) {
                ratios.push(with / bare);
            }
            rates.push(bare);
        }
        let [_, bare, _] = quartiles(rates);
        println!(
            "  {}\n    bare                   {bare:>9.0} requests/s",
            load.name
        );
        let mut of_bare = serde_json::Map::new();
        for ((name, _), ratios) in others.into_iter().zip(ratios) {
            let [low, median, high] = quartiles(ratios);
            println!("    {name:<22} {median:>9.3} of bare ({low:.3} to {high:.3})");
            of_bare.insert(name.to_owned(), json!([low, median, high]));
        }
        report.push(json!({
            "load": load.name,
            "bare_requests_per_second": bare,
            "of_bare_low_median_high": of_bare,
        }));
    }
    keep(&Value::from(report))
}
