//! Serves the app, set up alike in every alternative: one event loop per core, a free port, an end in good order.

use std::{fmt, io, num::NonZero, thread};

use actix_http::{Request, Response};
use actix_offload::{Offload, Placement};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{
    App, Error, HttpServer,
    body::MessageBody,
    dev::AppConfig,
    middleware::NormalizePath,
    web::{Data, ServiceConfig},
};

use super::{
    app::{self, Shared},
    hostile::{self, World},
};
use crate::{alternative::Alternative, process::GRACE};

/// Serves until the process is told to end. One that is `exposed` has the routes that attacks ask for, rewrites paths and
/// speaks HTTP/2 as well.
pub(crate) async fn listen(alternative: Alternative, exposed: bool) -> io::Result<()> {
    let shared = Data::new(Shared::new(alternative));
    let plain = move || {
        let shared = shared.clone();
        App::new().configure(|config: &mut ServiceConfig| app::routes(shared, config))
    };
    let offload = match alternative.plugin() {
        Some(mut plugin) => {
            plugin = plugin.pin("GET", "/stats", Placement::Loop);
            if exposed {
                plugin = plugin.pin("GET", hostile::SEEN, Placement::Loop);
            }
            Some(plugin.build().map_err(io::Error::other)?)
        }
        None => None,
    };
    if !exposed {
        return serve(plain, offload, exposed).await;
    }
    let world = Data::new(World::new(alternative, offload.clone()));
    let attacked = move || {
        let world = world.clone();
        plain()
            .configure(|config: &mut ServiceConfig| hostile::routes(world, config))
            .wrap(NormalizePath::trim())
    };
    serve(attacked, offload, exposed).await
}

async fn serve<F, I, S, B>(factory: F, offload: Option<Offload>, http2: bool) -> io::Result<()>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>>,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    if let Some(offload) = offload {
        run(offload.app(factory), offload.workers(), http2).await
    } else {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        run(factory, cores, http2).await
    }
}

async fn run<F, I, S, B>(factory: F, workers: usize, http2: bool) -> io::Result<()>
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
        .shutdown_timeout(GRACE);
    let address = ("127.0.0.1", 0);
    let server = if http2 {
        server.bind_auto_h2c(address)?
    } else {
        server.bind(address)?
    };
    println!("{}", server.addrs()[0]);
    server.run().await
}
