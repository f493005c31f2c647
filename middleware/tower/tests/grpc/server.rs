//! A server on a runtime of its own, so that a worker of it that stands still does not stop the clients as well.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use offload_core::{Terms, placement::Rules};
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Request, Status,
    service::interceptor::InterceptedService,
    transport::{Server, server::TcpIncoming},
};
use tower_offload::{Lanes, LanesBuilder, Offload, OffloadBuilder, Placement};

use crate::{
    service::{Seen, Work},
    wait::{HANG, wait_until},
};

type Interceptor = fn(Request<()>) -> Result<Request<()>, Status>;

/// Sends strangers away before it is known whether there is what they ask for.
fn let_in(request: Request<()>) -> Result<Request<()>, Status> {
    match request.metadata().get("x-stranger") {
        Some(_) => Err(Status::unauthenticated("who are you?")),
        None => Ok(request),
    }
}

pub(crate) struct Served {
    pub(crate) addr: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

impl Served {
    /// Without the layer.
    pub(crate) fn bare() -> Self {
        Self::start(None)
    }

    pub(crate) fn under(offload: &Offload) -> Self {
        Self::start(Some(offload))
    }

    fn start(offload: Option<&Offload>) -> Self {
        let seen = Arc::<Seen>::default();
        let mut workers = Builder::new_multi_thread();
        let runtime = workers.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads");
        let entered = runtime.enter();
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let incoming = incoming.with_nodelay(Some(true));
        let addr = incoming.local_addr().expect("its address");
        let work = Work(Arc::clone(&seen));
        let work = InterceptedService::new(work, let_in as Interceptor);
        match offload {
            None => {
                let router = Server::builder().add_service(work);
                runtime.spawn(router.serve_with_incoming(incoming));
            }
            Some(offload) => {
                let mut server = Server::builder().layer(offload.grpc_layer());
                let router = server.add_service(work);
                runtime.spawn(router.serve_with_incoming(incoming));
            }
        }
        drop(entered);
        Self {
            addr,
            seen,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.seen.go.store(true, Ordering::Relaxed);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Under which tonic's own work is light in a build without optimisation, too.
pub(crate) fn rules() -> Rules {
    Rules {
        budget: Duration::from_millis(4),
        slow_factor: NonZeroU32::new(2).expect("not zero"),
        ..Rules::default()
    }
}

/// One thread for each kind of job, which nobody comes to help. Whoever waits is patient, however slow the machine is.
pub(crate) fn single() -> LanesBuilder {
    let lanes = Lanes::builder().threads(1).long_threads(1).spare_threads(0);
    lanes.patience(HANG..=HANG).burst_patience(HANG)
}

pub(crate) fn with(lanes: LanesBuilder) -> OffloadBuilder {
    Offload::builder()
        .rules(|all| *all = rules())
        .lanes(|_| lanes)
}

/// Keeps all lane threads until it is dropped.
pub(crate) struct Held {
    _until_dropped: Vec<Sender<()>>,
}

impl Held {
    pub(crate) fn all_of(lanes: &Lanes) -> Self {
        wait_until("the lanes are at rest", || is_at_rest(lanes));
        let (short, long) = (
            vec![Terms::new(); lanes.short().threads],
            vec![Terms::new().cost(HANG); lanes.long().threads],
        );
        let mut held = Vec::<Sender<()>>::new();
        for terms in [short, long].concat() {
            let (sender, receiver) = channel();
            held.push(sender);
            let job = lanes.submit(&terms, move || {
                let _dropped = receiver.recv();
            });
            job.expect("room").detach();
        }
        wait_until("they have begun", || {
            lanes.queued() == 0 && lanes.running() == held.len()
        });
        Self {
            _until_dropped: held,
        }
    }
}

pub(crate) fn is_at_rest(lanes: &Lanes) -> bool {
    lanes.queued() + lanes.running() == 0
}

/// Where a method runs, if it is known.
pub(crate) fn place_of(offload: &Offload, method: &str) -> Option<Placement> {
    let path = format!("/test.Work/{method}");
    let routes = offload.report().routes;
    let found = routes.iter().find(|route| route.pattern == path);
    found.map(|route| route.placement)
}
