//! Instructions per light request, hop and placement decision, counted by valgrind's callgrind.
//!
//! Counts are the same on a busy machine, so that a change of one in a hundred shows. A child of this process runs each case
//! under callgrind twice, with some rounds and with twice as many: the difference is what the rounds cost, without the start.
//! Only user space counts. `--check` fails where a count is over its limit, `--json FILE` keeps the counts.

use std::{
    fs,
    hint::black_box,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use actix_http::Request;
use actix_offload::{Offload, Placement};
use actix_service::IntoServiceFactory;
use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{AppConfig, Service, ServiceFactory},
    test::TestRequest,
    web,
};
use futures_util::FutureExt;
use offload_benches::{Way, keep, lanes, on_event_loop, only_once, service};
use offload_core::{
    Lanes,
    cost::{BodySize, SizeBucket},
    placement::Rules,
    routes::{Observation, RouteTable},
};
use serde_json::json;

/// What is counted, and what it may cost: a third more than when the limit was set. Where threads wait for each other, as in
/// hops and over sockets, what they do meanwhile counts, and is another number each time.
struct Case {
    name: &'static str,
    rounds: u64,
    limit: Limit,
}

enum Limit {
    /// The case that others are compared with.
    None,
    /// So many instructions.
    Of(u64),
    /// So many more than another case.
    Over(&'static str, u64),
}

const fn case(name: &'static str, rounds: u64, limit: Limit) -> Case {
    Case {
        name,
        rounds,
        limit,
    }
}

const CASES: &[Case] = &[
    case("service, bare, 10 routes", 2_000, Limit::None),
    case("service, bare, 100 routes", 2_000, Limit::None),
    case("service, bare, 1000 routes", 2_000, Limit::None),
    case(
        "service, offload.app, 10 routes",
        2_000,
        Limit::Over("service, bare, 10 routes", 2_000),
    ),
    case(
        "service, offload.app, 100 routes",
        2_000,
        Limit::Over("service, bare, 100 routes", 2_000),
    ),
    case(
        "service, offload.app, 1000 routes",
        2_000,
        Limit::Over("service, bare, 1000 routes", 2_000),
    ),
    case("socket, bare", 2_000, Limit::None),
    case(
        "socket, offload.app",
        2_000,
        Limit::Over("socket, bare", 2_200),
    ),
    case("placement decision", 5_000, Limit::Of(100)),
    case("hop, offload", 500, Limit::Of(25_000)),
    case("hop, web::block", 500, Limit::None),
    case("hop, tokio-rayon", 500, Limit::None),
];

/// For a request that never comes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn index() -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

/// An app of `n` routes, of which the first is asked.
fn configure(n: usize) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.route("/", web::get().to(index));
        for i in 1..n {
            config.route(&format!("/area{i}/things/{{id}}"), web::get().to(index));
        }
    }
}

/// What an event loop says of itself it says with a stall watch and without. The watch's own thread works by time, of which
/// there is fifty times as much for each request here; what it takes is measured by `--bench watch`.
fn offload() -> Offload {
    Offload::builder()
        .pin("GET", "/", Placement::Loop)
        .stall_watch(None)
        .build()
        .expect("starts")
}

/// Calls a service as actix's dispatcher does, once and after `learned` another `rounds` times.
fn call<S, F>(factory: F, rounds: u64, learned: impl FnOnce())
where
    F: ServiceFactory<Request, Config = AppConfig, Service = S>,
    F::InitError: std::fmt::Debug,
    S: Service<Request>,
    S::Error: std::fmt::Debug,
{
    on_event_loop(async {
        let service = service(factory).await;
        let call = || {
            let answer = service.call(TestRequest::with_uri("/").to_request());
            drop(black_box(answer.now_or_never().expect("answers at once")));
        };
        call();
        learned();
        for _ in 0..rounds {
            call();
        }
    });
}

/// The first answer has a lane read the app's patterns, which takes longer than many rounds where these are many.
fn wait_for(lanes: &Lanes) {
    while lanes.running() + lanes.queued() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Serves until standard input ends, with one event loop.
fn serve<F, I, S, B>(factory: F)
where
    F: Fn() -> I + Send + Clone + 'static,
    I: actix_service::IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: std::fmt::Debug,
    S::Response: Into<actix_http::Response<B>>,
    B: actix_web::body::MessageBody + 'static,
{
    on_event_loop(async {
        let server = HttpServer::new(factory).workers(1).disable_signals();
        let server = server.bind(("127.0.0.1", 0)).expect("binds");
        println!("{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        std::thread::spawn(move || {
            let _ended = io::stdin().read_to_end(&mut Vec::new());
            drop(handle.stop(false));
        });
        server.await.expect("serves");
    });
}

fn hop(way: Way, rounds: u64) {
    let lanes = lanes();
    on_event_loop(async {
        for round in 0..rounds {
            black_box(way.run(&lanes, move || round + 1).await);
        }
    });
}

fn decide(rounds: u64) {
    let table = RouteTable::new(Rules::default());
    let route = table.route(0, "GET", "/");
    let bucket = SizeBucket::of(BodySize::Known(0));
    let observation = Observation {
        cost: Duration::from_micros(10),
        ran: Placement::Lane,
        queued: None,
    };
    for _ in 0..10 {
        route.observe(bucket, observation);
    }
    for _ in 0..rounds {
        black_box(black_box(&route).place(black_box(bucket)));
    }
}

/// The child: runs one case.
fn run(name: &str, rounds: u64) {
    let routes = |name: &str| {
        let number = name.split(' ').rev().nth(1).expect("a number of routes");
        configure(number.parse().expect("a number of routes"))
    };
    match name {
        "socket, bare" => serve(|| App::new().configure(configure(10))),
        "socket, offload.app" => serve(offload().app(|| App::new().configure(configure(10)))),
        "placement decision" => decide(rounds),
        "hop, offload" => hop(Way::Lane, rounds),
        "hop, web::block" => hop(Way::WebBlock, rounds),
        "hop, tokio-rayon" => hop(Way::TokioRayon, rounds),
        name if name.starts_with("service, bare") => {
            let app = App::new().configure(routes(name));
            call(app.into_factory(), rounds, || {});
        }
        name => {
            let routes = routes(name);
            let offload = offload();
            let app = offload.app(move || App::new().configure(routes.clone()));
            call(app(), rounds, || wait_for(offload.lanes()));
        }
    }
}

/// One request after the other, as a browser on a kept connection.
fn ask(address: SocketAddr, rounds: u64) -> io::Result<()> {
    const REQUEST: &[u8] =
        b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: count/1\r\naccept: */*\r\n\r\n";
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 4096];
    for _ in 0..rounds {
        stream.write_all(REQUEST)?;
        let mut got = 0;
        while !buffer[..got].ends_with(b"hello") {
            let more = stream.read(&mut buffer[got..])?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            got += more;
        }
    }
    Ok(())
}

/// Runs a case under callgrind and gives what it counted.
fn count(case: &Case, rounds: u64) -> io::Result<u64> {
    let out = std::env::temp_dir().join(format!("offload-callgrind-{}", std::process::id()));
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["--run", case.name, &rounds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if case.name.starts_with("socket") {
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut address)?;
        let address = address.trim().parse().map_err(io::Error::other)?;
        ask(address, rounds)?;
    }
    drop(child.stdin.take());
    let status = child.wait()?;
    let text = fs::read_to_string(&out)?;
    fs::remove_file(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse().ok()) {
        Some(total) if status.success() => Ok(total),
        _ => Err(io::Error::other(format!("callgrind ended with {status}"))),
    }
}

fn per_round(case: &Case) -> io::Result<u64> {
    let once = count(case, case.rounds)?;
    let twice = count(case, 2 * case.rounds)?;
    Ok(twice.saturating_sub(once) / case.rounds)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [run_, name, rounds] = &args[..]
        && run_ == "--run"
    {
        run(name, rounds.parse().expect("a number of rounds"));
        return ExitCode::SUCCESS;
    }
    if only_once() {
        // Unoptimised counts mean nothing.
        decide(1);
        hop(Way::Lane, 1);
        return ExitCode::SUCCESS;
    }
    let version = Command::new("valgrind").arg("--version").output();
    let Ok(version) = version else {
        println!(
            "instructions: skipped, there is no valgrind here (Debian: apt-get install valgrind)"
        );
        return ExitCode::SUCCESS;
    };
    println!("instructions in user space, each (callgrind)");
    let mut counts: Vec<(&str, u64)> = Vec::new();
    let mut kept = true;
    for case in CASES {
        let counted = match per_round(case) {
            Ok(counted) => counted,
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                return ExitCode::FAILURE;
            }
        };
        let verdict = match case.limit {
            Limit::None => String::new(),
            Limit::Of(limit) => {
                kept &= counted <= limit;
                format!("  limit {limit}")
            }
            Limit::Over(name, limit) => {
                let other = counts.iter().find(|(known, _)| *known == name);
                let (_, bare) = other.expect("the other case comes first");
                let more = counted.saturating_sub(*bare);
                kept &= more <= limit;
                format!("  {more} more than bare, limit {limit}")
            }
        };
        println!("  {:<36} {counted:>7}{verdict}", case.name);
        counts.push((case.name, counted));
    }
    if !kept && args.iter().any(|arg| arg == "--check") {
        eprintln!("instructions: over the limit");
        return ExitCode::FAILURE;
    }
    let valgrind = String::from_utf8_lossy(&version.stdout);
    let instructions: serde_json::Map<_, _> = counts
        .iter()
        .map(|(name, counted)| ((*name).to_owned(), json!(counted)))
        .collect();
    keep(&json!({ "valgrind": valgrind.trim(), "instructions": instructions }))
}
