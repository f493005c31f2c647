//! Services and workers that fail, and are replaced while the server goes on.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
};

use actix_web::{
    App, Error,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    error::ErrorInternalServerError,
    web,
};

use super::{
    data::{Counted, left},
    server::{Stop, at_the_end, get, lanes_only, try_get},
};
use crate::gate::wait_until;

const FAILS: u8 = 1;
const PANICS: u8 = 2;

/// A middleware that is not ready once on an event loop, in the way that is asked for.
#[derive(Clone, Default)]
struct Unready(Arc<AtomicU8>);

struct UnreadyService<S> {
    inner: S,
    asked: Arc<AtomicU8>,
}

impl<S, B> Transform<S, ServiceRequest> for Unready
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = UnreadyService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let asked = Arc::clone(&self.0);
        ready(Ok(UnreadyService { inner, asked }))
    }
}

impl<S> Service<ServiceRequest> for UnreadyService<S>
where
    S: Service<ServiceRequest, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = S::Future;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let on_lane = thread::current()
            .name()
            .unwrap_or_default()
            .starts_with("offload");
        if !on_lane {
            match self.asked.swap(0, SeqCst) {
                FAILS => return Poll::Ready(Err(ErrorInternalServerError("it is not ready"))),
                PANICS => std::panic::resume_unwind(Box::new("it is not ready")),
                _ => {}
            }
        }
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> S::Future {
        self.inner.call(request)
    }
}

/// What is left at the end of a server with one event loop on which a service was not ready twice.
fn left_after(failure: u8) -> usize {
    let offload = lanes_only(1).build().expect("starts");
    let count = Arc::default();
    let (data, unready) = (Counted::new(&count), Unready::default());
    let asked = Arc::clone(&unready.0);
    let made = Arc::<AtomicUsize>::default();
    let making = Arc::clone(&made);
    let app = offload.app(move || {
        making.fetch_add(1, SeqCst);
        let data = web::Data::new(data.clone());
        let ok = |_: web::Data<Counted>| async { "ok" };
        App::new()
            .app_data(data)
            .wrap(unready.clone())
            .route("/", web::get().to(ok))
    });
    let counted = Arc::clone(&count);
    let visit = move |[addr, _]: [SocketAddr; 2]| {
        assert_eq!(get(addr, "/").status(), 200);
        let serving = left(&counted);
        for _ in 0..2 {
            let before = made.load(SeqCst);
            asked.store(failure, SeqCst);
            // Whether the connection that it meets is served is actix's business.
            let served = || {
                try_get(addr, "/").is_ok_and(|answer| answer.status() == 200)
                    && asked.load(SeqCst) == 0
            };
            wait_until("it is served again", served);
            // Whether the app has ended meanwhile, and its instance on the lane is another, depends on who was faster.
            let replaced = || made.load(SeqCst) > before && left(&counted) == serving;
            wait_until("as many instances as before", replaced);
        }
    };
    at_the_end(app, (1, Stop::Graceful), visit, || left(&count))
}

#[test]
fn a_service_that_actix_replaces_leaves_nothing_behind() {
    assert_eq!(left_after(FAILS), 0);
}

#[test]
fn a_worker_that_actix_restarts_leaves_nothing_behind() {
    assert_eq!(left_after(PANICS), 0);
}
