//! The throughput of a light route over real sockets, bare and with the plugin, as a ratio.
//!
//! Both servers run in this process, one event loop each, and are asked in turns, so that a change of
//! the machine's speed touches both. The clients keep requests in flight (closed loop): that measures
//! what a request costs, not how responsive a server is.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_offload::Offload;
use actix_web::{App, HttpResponse, HttpServer, web};

const PIPELINED: usize = 32;
const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 15;

async fn index() -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

fn app(config: &mut web::ServiceConfig) {
    config.route("/", web::get().to(index));
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

/// Requests a second over one connection with requests in flight.
fn rate(address: SocketAddr) -> f64 {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("a socket");
    let batch = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(PIPELINED);
    // One answer tells how long each is; the date has a fixed length.
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .expect("sends");
    let mut buffer = vec![0; 64 << 10];
    let mut length = stream.read(&mut buffer).expect("answers");
    while !buffer[..length].ends_with(b"hello") {
        length += stream.read(&mut buffer[length..]).expect("answers");
    }
    let start = Instant::now();
    let mut answered = 0;
    while start.elapsed() < ROUND {
        stream.write_all(&batch).expect("sends");
        stream
            .read_exact(&mut buffer[..length * PIPELINED])
            .expect("answers");
        answered += PIPELINED;
    }
    answered as f64 / start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo bench -- --test` and `cargo test --benches` only want to see it run.
    let once = std::env::args().any(|arg| arg == "--test");
    let offload = Offload::new().expect("starts");
    let bare = server!(|| App::new().configure(app));
    let plugin = server!(offload.app(|| App::new().configure(app)));
    let wrapped = server!({
        let offload = offload.clone();
        move || App::new().wrap(offload.clone()).configure(app)
    });

    let (mut with_app, mut with_wrap, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..if once { 1 } else { ROUNDS } {
        let bare = rate(bare);
        with_app.push(rate(plugin) / bare);
        with_wrap.push(rate(wrapped) / bare);
        rates.push(bare);
    }
    println!("light route over a socket, one event loop, {PIPELINED} requests in flight");
    println!("  bare         {:>9.0} requests/s (median)", median(rates));
    println!(
        "  offload.app  {:>9.3} of bare (median of {} pairs)",
        median(with_app.clone()),
        with_app.len()
    );
    println!(
        "  .wrap        {:>9.3} of bare (median of {} pairs)",
        median(with_wrap.clone()),
        with_wrap.len()
    );
}
