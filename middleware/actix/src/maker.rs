//! The app's factory, and what the app that it makes has to be. The factory's own types are out of sight: `HttpServer::new` does not
//! ask of what it makes that it is `'static`.

use std::fmt;

use actix_http::{Request, Response};
use actix_service::IntoServiceFactory;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, ServiceFactory},
};

/// What can be served with bodies of the type `B`: what `HttpServer::new` asks of an app, in one place.
#[expect(
    unnameable_types,
    reason = "it only stands for its bounds, and everything that has them has it"
)]
pub trait App<B>:
    ServiceFactory<
        Request,
        Config = AppConfig,
        Service: 'static,
        Error: Into<Error> + 'static,
        InitError: fmt::Debug,
        Response: Into<Response<B>> + 'static,
    > + 'static
{
}

impl<S, B> App<B> for S
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Service: 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
}

/// Makes the service factory of an app, on any thread.
pub(crate) struct Maker<S>(Box<dyn Make<S>>);

trait Make<S>: Send {
    fn make(&self) -> S;
    fn copy(&self) -> Maker<S>;
}

impl<S, F> Make<S> for F
where
    F: Fn() -> S + Send + Clone + 'static,
{
    fn make(&self) -> S {
        self()
    }

    fn copy(&self) -> Maker<S> {
        Maker(Box::new(self.clone()))
    }
}

impl<S> Maker<S> {
    pub(crate) fn of<F, I>(factory: F) -> Self
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request>,
    {
        Self(Box::new(move || factory().into_factory()))
    }

    pub(crate) fn make(&self) -> S {
        self.0.make()
    }
}

impl<S> Clone for Maker<S> {
    fn clone(&self) -> Self {
        self.0.copy()
    }
}
