//! The app on a port of its own, bare or in one of the layer's modes.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use tokio::{runtime, sync::oneshot};
use tower_offload::{Mode, Offload, Report};

use crate::app::{Gate, app};

/// How long a request may wait for a lane.
const LONG: Duration = Duration::from_secs(60);

/// The tokio runtime of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runtime {
    TwoWorkers,
    OneThread,
}

/// A server that ends with its value.
pub(crate) struct Server {
    addr: SocketAddr,
    gate: Gate,
    offload: Option<Offload>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Serves the app in `mode`, or bare.
    pub(crate) fn start(mode: Option<Mode>, runtime: Runtime) -> Self {
        let gate = Gate::default();
        // On a busy machine much may wait, and what is compared here are answers.
        let patient = || Offload::builder().lanes(|lanes| lanes.patience(LONG..=LONG));
        let offload = mode.map(|mode| patient().mode(mode).build().unwrap());
        let app = match &offload {
            Some(offload) => app(&gate).layer(offload.layer()),
            None => app(&gate),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut runtime = match runtime {
            Runtime::TwoWorkers => runtime::Builder::new_multi_thread(),
            Runtime::OneThread => runtime::Builder::new_current_thread(),
        };
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            addr,
            gate,
            offload,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lets the response go on that waits, or the next one.
    pub(crate) fn open(&self) {
        self.gate.notify_one();
    }

    /// What the layer knows.
    pub(crate) fn report(&self) -> Report {
        self.offload.as_ref().unwrap().report()
    }

    /// What it knows of a `GET` route that it has met.
    pub(crate) fn route(&self, pattern: &str) -> Option<offload_core::routes::RouteReport> {
        let routes = self.report().routes;
        routes
            .into_iter()
            .find(|route| route.method == "GET" && route.pattern == pattern)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends well");
        }
    }
}
