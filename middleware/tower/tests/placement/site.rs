//! An axum app on two workers of its own, and what tests hold and wait by: gates and conditions instead of sleeps.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    panic,
    sync::{
        Arc, Condvar, Mutex, Once,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use offload_core::routes::RouteReport;
use offload_tests::{
    client::Client,
    connection::{Connection, DEADLINE},
    response::RawResponse,
    work::burn,
};
use tokio::{net::TcpListener, runtime};
use tower_offload::{Lanes, LanesBuilder, Offload, OffloadBuilder, Placement};

/// What a heavy handler computes: far over any budget, also if a busy machine hides a half of it.
pub(crate) const HEAVY: Duration = Duration::from_millis(20);

/// How many workers there are.
pub(crate) const WORKERS: usize = 2;

const WORKER: &str = "worker";

/// A server, and the layer that it is under.
pub(crate) struct Site {
    pub(crate) offload: Offload,
    pub(crate) addr: SocketAddr,
    /// Dropped with the site, without waiting for what still runs.
    runtime: Option<runtime::Runtime>,
}

/// Settings under which a light handler of a debug build is light on a busy machine, too.
pub(crate) fn builder(lanes: LanesBuilder) -> OffloadBuilder {
    Offload::builder().lanes(|_| lanes).rules(|rules| {
        rules.budget = Duration::from_millis(2);
        rules.slow_factor = NonZeroU32::new(4).expect("not zero");
    })
}

pub(crate) fn lanes() -> LanesBuilder {
    Lanes::builder().threads(2)
}

impl Site {
    pub(crate) fn new(app: Router) -> Self {
        Self::with(builder(lanes()), app)
    }

    pub(crate) fn with(builder: OffloadBuilder, app: Router) -> Self {
        let offload = builder.build().expect("lanes");
        let app = app.layer(offload.layer());
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name(WORKER)
            .enable_all()
            .build()
            .expect("a runtime");
        let listening = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listening.expect("a port");
        let addr = listener.local_addr().expect("a port");
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            offload,
            addr,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn get(&self, target: &str) -> RawResponse {
        Client::new(self.addr).get(target).expect("an answer")
    }

    pub(crate) fn text(&self, target: &str) -> String {
        String::from_utf8(self.get(target).body).expect("text")
    }

    /// A connection that has asked for something and reads nothing yet.
    pub(crate) fn ask(&self, target: &str) -> Connection {
        let mut connection = Connection::open(self.addr).expect("connects");
        let head = format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(head.as_bytes()).expect("sends");
        connection
    }

    pub(crate) fn report(&self, pattern: &str) -> RouteReport {
        report(&self.offload, pattern)
    }

    /// Asks until a route is the workers'.
    pub(crate) fn learn(&self, pattern: &str, ask: impl Fn()) {
        for _ in 0..500 {
            ask();
            if self.report(pattern).placement == Placement::Loop {
                return;
            }
        }
        panic!("{pattern} never came to the workers");
    }

    pub(crate) fn learn_get(&self, pattern: &str) {
        self.learn(pattern, || drop(self.get(pattern)));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn report(offload: &Offload, pattern: &str) -> RouteReport {
    let mut routes = offload.report().routes.into_iter();
    let found = routes.find(|route| route.pattern == pattern);
    found.unwrap_or_else(|| panic!("no route {pattern}"))
}

/// Where the calling code runs.
pub(crate) fn side() -> &'static str {
    let name = thread::current().name().map(str::to_owned);
    if name.is_some_and(|name| name.starts_with(WORKER)) {
        WORKER
    } else {
        "lane"
    }
}

/// How often something was done, and how often by a worker.
#[derive(Clone, Default)]
pub(crate) struct Sides(Arc<[AtomicUsize; 2]>);

impl Sides {
    pub(crate) fn note(&self) {
        self.0[0].fetch_add(1, SeqCst);
        self.0[1].fetch_add(usize::from(side() == WORKER), SeqCst);
    }

    /// Computes for long, which counts.
    pub(crate) fn compute(&self) {
        self.note();
        burn(HEAVY);
    }

    pub(crate) fn all(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    pub(crate) fn on_workers(&self) -> usize {
        self.0[1].load(SeqCst)
    }
}

/// Holds the threads that wait at it until it is opened, as a computation does.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().expect("no panic") = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let open = self.0.0.lock().expect("no panic");
        let waited = self.0.1.wait_timeout_while(open, DEADLINE, |open| !*open);
        let (_open, timed_out) = waited.expect("no panic");
        assert!(!timed_out.timed_out(), "the gate was never opened");
    }
}

/// Waits until a condition holds, or fails with `what` was waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what}: never");
        // Nothing tells when it comes true. A test that spins would take the core from the lanes.
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// What panics on purpose start with, which are not printed.
pub(crate) const ON_PURPOSE: &str = "on purpose";

pub(crate) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or_default();
            if !message.starts_with(ON_PURPOSE) {
                print(info);
            }
        }));
    });
}

/// A client that has one connection for all of its requests.
pub(crate) fn http2() -> legacy::Client<HttpConnector, Body> {
    let mut client = legacy::Client::builder(TokioExecutor::new());
    client.http2_only(true).build_http()
}

/// Runs a client.
pub(crate) fn in_runtime<F: Future>(client: F) -> F::Output {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(client)
}
