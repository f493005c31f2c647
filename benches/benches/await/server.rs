//! The server, in a process of its own, which says what it has used: clients and the echo server do not count.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    num::NonZero,
    process::{Child, Command, Stdio},
    thread,
};

use actix_http::{Request, Response};
use actix_offload::{Offload, Placement};
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::MessageBody,
    dev::AppConfig,
    web::{self, Data},
};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqlitePoolOptions;

use crate::kind::{self, Kind};

/// The first argument that makes this program the server.
pub(crate) const ROLE: &str = "--serve";
/// The route that says what the server has used.
pub(crate) const USAGE: &str = "/usage";
/// Connections to the database, one for each client.
const CONNECTIONS: u32 = 16;

/// Where handlers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the event loops of the bare server.
    Loop,
    /// On lanes of so many threads each.
    Lanes(usize),
}

/// What a process has used since it began.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Usage {
    /// Processor time of all its threads, in microseconds.
    pub(crate) cpu: f64,
    /// Context switches of all its threads, of their own accord or not.
    pub(crate) switches: f64,
}

/// A server process, which ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(place: Place, echo: SocketAddr) -> io::Result<Self> {
        let threads = match place {
            Place::Loop => 0,
            Place::Lanes(threads) => threads,
        };
        let child = Command::new(std::env::current_exe()?)
            .args([ROLE, &threads.to_string(), &echo.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut server = Self {
            child,
            address: echo,
        };
        let stdout = server.child.stdout.take();
        let mut line = String::new();
        BufReader::new(stdout.ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut line)?;
        server.address = line.trim().parse().map_err(io::Error::other)?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and is reaped all the same.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The other process: serves until its standard input closes. The arguments are the threads of a lane, none for the bare
/// server, and where the echo server is.
pub(crate) fn serve(args: &[String]) -> io::Result<()> {
    let [threads, echo] = args else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let threads: usize = threads.parse().map_err(io::Error::other)?;
    let echo: SocketAddr = echo.parse().map_err(io::Error::other)?;
    thread::spawn(|| {
        let _closed = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
    actix_rt::System::new().block_on(async {
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_lazy("sqlite::memory:")
            .map_err(io::Error::other)?;
        let pool = Data::new(pool);
        let app = move || {
            let pool = pool.clone();
            App::new()
                .route(USAGE, web::get().to(usage))
                .configure(move |config| kind::routes(echo, pool, config))
        };
        if threads == 0 {
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            return listen(app, cores).await;
        }
        let mut offload = Offload::builder().lanes(|lanes| lanes.threads(threads));
        offload = offload.pin("GET", USAGE, Placement::Loop);
        for kind in Kind::ALL {
            offload = offload.pin(kind.method(), kind.path(), Placement::Lane);
        }
        let offload = offload.build().map_err(io::Error::other)?;
        listen(offload.app(app), offload.workers()).await
    })
}

async fn usage() -> io::Result<HttpResponse> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: TimeVal| time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64;
    let switches = usage.voluntary_context_switches() + usage.involuntary_context_switches();
    Ok(HttpResponse::Ok().json(Usage {
        cpu: micros(usage.user_time()) + micros(usage.system_time()),
        switches: switches as f64,
    }))
}

async fn listen<F, I, S, B>(factory: F, workers: usize) -> io::Result<()>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let server = HttpServer::new(factory)
        .workers(workers)
        .bind(("127.0.0.1", 0))?;
    println!("{}", server.addrs()[0]);
    server.run().await
}
