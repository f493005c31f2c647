//! The throughput of light routes over real sockets, bare and with the plugin, as a ratio.
//!
//! The servers run in this process, one event loop each, and are asked in turns, so that a change of the machine's speed
//! touches all. The clients keep requests in flight (closed loop): that measures what a request costs, not how responsive a
//! server is. `--json FILE` keeps the figures.

use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_offload::Offload;
use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use offload_benches::{keep, only_once};
use serde_json::{Value, json};

const NAMES: [&str; 3] = ["offload.app", "without a stall watch", ".wrap"];
const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 15;
/// Until each route has been learned on the event loop.
const WARM_UP: Duration = Duration::from_millis(200);

async fn index() -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

async fn echo(body: web::Json<Value>) -> impl Responder {
    body
}

fn app(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(index))
        .route("/json", web::post().to(echo));
}

/// Starts a server in a thread of its own; it ends with the process.
fn serve(
    start: impl FnOnce() -> std::io::Result<(actix_web::dev::Server, SocketAddr)> + Send + 'static,
) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        actix_rt::System::new().block_on(async {
            let (server, address) = start().expect("binds");
            tell.send(address).expect("somebody waits");
            server.await.expect("serves");
        });
    });
    told.recv().expect("an address")
}

macro_rules! server {
    ($factory:expr) => {{
        let factory = $factory;
        serve(move || {
            let server = HttpServer::new(factory).workers(1).bind(("127.0.0.1", 0))?;
            let address = server.addrs()[0];
            Ok((server.disable_signals().run(), address))
        })
    }};
}

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

fn main() -> ExitCode {
    let (rounds, round) = if only_once() {
        (1, ROUND / 20)
    } else {
        (ROUNDS, ROUND)
    };
    let offload = Offload::new().expect("starts");
    let bare = server!(|| App::new().configure(app));
    let with_app = server!(offload.app(|| App::new().configure(app)));
    let unwatched = Offload::builder().stall_watch(None);
    let unwatched = unwatched.build().expect("starts");
    let without_watch = server!(unwatched.app(|| App::new().configure(app)));
    let with_wrap = server!({
        let offload = offload.clone();
        move || App::new().wrap(offload.clone()).configure(app)
    });

    println!(
        "light routes over sockets, one event loop, median of {rounds} rounds (and quartiles)"
    );
    let mut report = Vec::new();
    for load in loads() {
        let mut ratios = [const { Vec::new() }; 3];
        let mut rates = Vec::new();
        for address in [bare, with_app, without_watch, with_wrap] {
            rate(address, &load, WARM_UP);
        }
        for _ in 0..rounds {
            // Before and after, so that a steady change of speed is no one's gain.
            let before = rate(bare, &load, round / 2);
            let with =
                [with_app, without_watch, with_wrap].map(|address| rate(address, &load, round));
            let bare = f64::midpoint(before, rate(bare, &load, round / 2));
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
        for (name, ratios) in NAMES.into_iter().zip(ratios) {
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
