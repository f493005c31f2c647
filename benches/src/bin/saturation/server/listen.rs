//! Serves the app, set up alike in every alternative: one event loop per core, a free port, an end in good order.

use std::{fmt, io, num::NonZero, thread};

use actix_http::{Request, Response};
use actix_offload::Placement;
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{
    App, Error, HttpServer, body::MessageBody, dev::AppConfig, web::Data, web::ServiceConfig,
};

use super::app::{self, Shared};
use crate::{alternative::Alternative, process::GRACE};

/// Serves until the process is told to end.
pub(crate) async fn listen(alternative: Alternative) -> io::Result<()> {
    let shared = Data::new(Shared::new(alternative));
    let plain = move || {
        let shared = shared.clone();
        App::new().configure(|config: &mut ServiceConfig| app::routes(shared, config))
    };
    if let Some(plugin) = alternative.plugin() {
        let offload = plugin
            .pin("GET", "/stats", Placement::Loop)
            .build()
            .map_err(io::Error::other)?;
        run(offload.app(plain), offload.workers()).await
    } else {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        run(plain, cores).await
    }
}

async fn run<F, I, S, B>(factory: F, workers: usize) -> io::Result<()>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>>,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let server = HttpServer::new(factory)
        .workers(workers)
        // A client that left is gone: nobody here half-closes a connection and still reads.
        .h1_allow_half_closed(false)
        .shutdown_timeout(GRACE)
        .bind(("127.0.0.1", 0))?;
    println!("{}", server.addrs()[0]);
    server.run().await
}
