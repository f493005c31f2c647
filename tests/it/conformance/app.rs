//! The app that all modes serve: every theme's handlers, plain or behind a stack of middleware.

use std::rc::Rc;

use actix_web::{
    App, Error, HttpMessage, HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::header,
    middleware::{Compress, DefaultHeaders, Logger, Next, NormalizePath, from_fn},
    web::{self, ServiceConfig},
};

use super::{run::PROBE, themes};

/// What a middleware leaves for handlers in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) text: String,
    /// Not `Send`, as much of what apps keep there.
    pub(crate) shared: Rc<str>,
}

/// What a handler leaves for a middleware in the response's extensions.
pub(crate) struct Verdict(pub(crate) &'static str);

/// All handlers, with no middleware around the app.
pub(crate) fn plain() -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new().configure(routes)
}

/// The same handlers behind the middleware that apps use most.
pub(crate) fn stacked() -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .wrap(from_fn(stamp))
        .wrap(DefaultHeaders::new().add(("x-default", "from the stack")))
        .wrap(themes::sessions::middleware())
        .wrap(Compress::default())
        .wrap(NormalizePath::trim())
        .wrap(Logger::new("%a %r %s %b %{user-agent}i %T"))
        .configure(routes)
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.route(PROBE, web::get().to(HttpResponse::Ok))
        .configure(themes::connections::configure)
        .configure(themes::extractors::configure)
        .configure(themes::failures::configure)
        .configure(themes::files::configure)
        .configure(themes::middleware::configure)
        .configure(themes::multipart::configure)
        .configure(themes::requests::configure)
        .configure(themes::responses::configure)
        .configure(themes::routing::configure)
        .configure(themes::runtime::configure)
        .configure(themes::sessions::configure)
        .configure(themes::streams::configure)
        .configure(themes::uploads::configure)
        .configure(themes::websockets::configure);
}

/// Hands something to the handler and takes something from it.
pub(crate) async fn stamp(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let text = format!("{} {}", request.method(), request.path());
    let shared = Rc::from(request.query_string());
    request.extensions_mut().insert(Stamp { text, shared });
    let mut response = next.call(request).await?;
    let verdict = response
        .response()
        .extensions()
        .get()
        .map(|Verdict(text)| *text);
    if let Some(verdict) = verdict {
        response.headers_mut().insert(
            header::HeaderName::from_static("x-verdict"),
            header::HeaderValue::from_static(verdict),
        );
    }
    Ok(response)
}
