//! An independent witness: times each poll of whatever service a server runs, with a plugin or without.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_http::Request;
use actix_offload::clock::thread_cpu_time;
use actix_service::IntoServiceFactory;
use actix_web::dev::{AppConfig, Service, ServiceFactory};

/// The longest poll that any event loop under watch has spent in one request, by what it cost.
#[derive(Clone, Debug, Default)]
pub struct LoopWatch {
    longest_nanos: Arc<AtomicU64>,
    polls: Arc<AtomicU64>,
}

impl LoopWatch {
    /// The longest that any poll computed, on a machine however busy.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest_nanos.load(Ordering::Relaxed))
    }

    /// How many polls were seen.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Puts the watch around an app factory, or around what a plugin made of one.
    pub fn around<F, I, S>(
        &self,
        factory: F,
    ) -> impl Fn() -> Watched<S, I> + Send + Clone + 'static + use<F, I, S>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request> + 'static,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
    {
        let watch = self.clone();
        move || Watched {
            inner: factory().into_factory(),
            watch: watch.clone(),
            made_from: PhantomData,
        }
    }

    /// Does `work` and measures it.
    fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = thread_cpu_time();
        let outcome = work();
        let nanos = (thread_cpu_time() - start).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.longest_nanos.fetch_max(nanos, Ordering::Relaxed);
        self.polls.fetch_add(1, Ordering::Relaxed);
        outcome
    }
}

/// A service, or the factory of one, under watch.
pub struct Watched<S, I = ()> {
    inner: S,
    watch: LoopWatch,
    made_from: PhantomData<fn() -> I>,
}

impl<S, I> fmt::Debug for Watched<S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

type Pinned<T> = Pin<Box<dyn Future<Output = T>>>;

impl<S, I> ServiceFactory<Request> for Watched<S, I>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Config = AppConfig;
    type Service = Watched<S::Service>;
    type InitError = S::InitError;
    type Future = Pinned<Result<Self::Service, Self::InitError>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let building = self.inner.new_service(config);
        let watch = self.watch.clone();
        Box::pin(async move {
            Ok(Watched {
                inner: building.await?,
                watch,
                made_from: PhantomData,
            })
        })
    }
}

impl<S> Service<Request> for Watched<S>
where
    S: Service<Request>,
    S::Future: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pinned<Result<S::Response, S::Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: Request) -> Self::Future {
        let watch = self.watch.clone();
        let mut inner = watch.measure(|| Box::pin(self.inner.call(request)));
        Box::pin(std::future::poll_fn(move |cx| {
            watch.measure(|| inner.as_mut().poll(cx))
        }))
    }
}
