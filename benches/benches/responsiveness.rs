//! What a user of the light route feels while heavy requests run: bare, with `web::block`, with the
//! plugin.
//!
//! The light route is asked open loop: at a fixed rate, each latency counted from the moment at which
//! its request was due, so that a frozen event loop shows in all requests that it delayed. Heavy
//! clients ask again as soon as they are answered. Each alternative has a server of its own in this
//! process, with an event loop per core; they are asked in turns, several rounds, and the medians of
//! the rounds are printed (`--json FILE` keeps them). The clients share the cores with the servers, which costs all alike.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use actix_offload::Offload;
use actix_web::{App, HttpServer};
use demo_app::Demo;
use offload_benches::{keep, only_once};
use serde_json::{Value, json};

/// Connections that ask the light route, each at its share of the rate.
const LIGHT_CONNECTIONS: u32 = 16;
/// Requests a second to the light route.
const LIGHT_RATE: u32 = 320;
/// Clients that keep a heavy request going each.
const HEAVY_CLIENTS: usize = 4;
/// How long each alternative is asked in each round.
const ROUND: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

struct Alternative {
    name: &'static str,
    address: SocketAddr,
    heavy: &'static str,
}

/// Starts the demo's app in a thread of its own; it ends with the process.
fn serve(offload: Option<Offload>) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        actix_rt::System::new().block_on(async {
            let server = match offload {
                None => {
                    let demo = Demo::off();
                    let app = move || {
                        let demo = demo.clone();
                        App::new().configure(move |config| demo.routes(config))
                    };
                    let server = HttpServer::new(app).disable_signals();
                    let server = server.bind(("127.0.0.1", 0)).expect("binds");
                    tell.send(server.addrs()[0]).expect("somebody waits");
                    server.run()
                }
                Some(offload) => {
                    let demo = Demo::auto(offload.clone());
                    let app = offload.app(move || {
                        let demo = demo.clone();
                        App::new().configure(move |config| demo.routes(config))
                    });
                    let server = HttpServer::new(app)
                        .workers(offload.workers())
                        .disable_signals();
                    let server = server.bind(("127.0.0.1", 0)).expect("binds");
                    tell.send(server.addrs()[0]).expect("somebody waits");
                    server.run()
                }
            };
            server.await.expect("serves");
        });
    });
    told.recv().expect("an address")
}

/// One request and its whole answer on a connection that stays open.
fn ask(stream: &mut TcpStream, path: &str, buffer: &mut [u8]) {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sends");
    let mut got = 0;
    loop {
        got += stream.read(&mut buffer[got..]).expect("answers");
        let text = &buffer[..got];
        let Some(head) = text.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head_text = std::str::from_utf8(&text[..head]).expect("a head");
        let length: usize = head_text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        if got == head + 4 + length {
            return;
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Latencies of the light route and the rate of heavy answers, in one round.
fn round(alternative: &Alternative, heavy_clients: usize, time: Duration) -> (Vec<Duration>, f64) {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let start = Instant::now();
    let mut latencies = Vec::new();
    thread::scope(|scope| {
        for _ in 0..heavy_clients {
            scope.spawn(|| {
                let (mut stream, mut buffer) = (connect(alternative.address), [0; 4096]);
                while !over.load(Ordering::Relaxed) {
                    ask(&mut stream, alternative.heavy, &mut buffer);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let light: Vec<_> = (0..LIGHT_CONNECTIONS)
            .map(|number| {
                scope.spawn(move || {
                    let (mut stream, mut buffer) = (connect(alternative.address), [0; 4096]);
                    let interval = Duration::from_secs(1) * LIGHT_CONNECTIONS / LIGHT_RATE;
                    let mut due = start + interval * number / LIGHT_CONNECTIONS;
                    let mut latencies = Vec::new();
                    while due < start + time {
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        ask(&mut stream, "/", &mut buffer);
                        latencies.push(due.elapsed());
                        due += interval;
                    }
                    latencies
                })
            })
            .collect();
        for light in light {
            latencies.extend(light.join().expect("no panic"));
        }
        over.store(true, Ordering::Relaxed);
    });
    latencies.sort_unstable();
    let rate = answered.into_inner() as f64 / start.elapsed().as_secs_f64();
    (latencies, rate)
}

fn quantile(sorted: &[Duration], q: f64) -> f64 {
    let at = ((sorted.len() - 1) as f64 * q).round() as usize;
    sorted[at].as_secs_f64() * 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    let (rounds, time) = if only_once() {
        (1, ROUND / 20)
    } else {
        (ROUNDS, ROUND)
    };
    let bare = serve(None);
    let with_plugin = serve(Some(Offload::new().expect("starts")));
    let alternatives = [
        Alternative {
            name: "inline",
            address: bare,
            heavy: "/burn?ms=50",
        },
        Alternative {
            name: "web::block",
            address: bare,
            heavy: "/block/burn?ms=50",
        },
        Alternative {
            name: "offload.app",
            address: with_plugin,
            heavy: "/burn?ms=50",
        },
    ];
    println!(
        "GET / at {LIGHT_RATE}/s (open loop) while {HEAVY_CLIENTS} clients keep a 50 ms computation going each"
    );
    println!("                light p50     p99     max   heavy/s");
    let mut report = Vec::new();
    for heavy_clients in [0, HEAVY_CLIENTS] {
        let mut results: Vec<Vec<(Vec<Duration>, f64)>> =
            alternatives.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (alternative, results) in alternatives.iter().zip(&mut results) {
                results.push(round(alternative, heavy_clients, time));
            }
        }
        for (alternative, results) in alternatives.iter().zip(&results) {
            let of = |q| median(results.iter().map(|(light, _)| quantile(light, q)));
            let phase = if heavy_clients == 0 { "idle, " } else { "" };
            let name = format!("{phase}{}", alternative.name);
            let [p50, p99, max] = [0.5, 0.99, 1.0].map(of);
            let rate = median(results.iter().map(|(_, rate)| *rate));
            println!("{name:<22} {p50:>7.2} {p99:>7.2} {max:>7.2} ms {rate:>6.1}");
            report.push(json!({
                "name": name,
                "light_p50_ms": p50,
                "light_p99_ms": p99,
                "light_max_ms": max,
                "heavy_per_second": rate,
            }));
        }
    }
    keep(&Value::from(report))
}
